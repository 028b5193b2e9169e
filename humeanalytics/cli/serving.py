"""``sandbox``: Hume, emulated, on a port of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import SeedOption
from humeanalytics.errors import UsageError


@app.command(
    epilog="Example: humeanalytics sandbox --port 8765 & HUME_BASE_URL=http://127.0.0.1:8765 HUME_API_KEY=any python my_script.py"
)
def sandbox(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    seed: SeedOption = 7,
    state: Annotated[Path | None, typer.Option(help="Folder that keeps jobs from run to run.", metavar="FOLDER")] = None,
    faults: Annotated[Path | None, typer.Option(help="JSON file of fault rules (docs/sandbox.md).", metavar="FILE")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="An option of docs/sandbox.md; repeatable.", metavar="NAME=VALUE")
    ] = None,
) -> None:
    """Run a local Hume (v0 batch, v1, EVI) until Ctrl-C. Any key is accepted; scores are invented, the same for the same seed."""
    from humeanalytics.sandbox.options import read_options
    from humeanalytics.sandbox.serving import serve

    try:
        serve(host, port, seed, state, faults, options=read_options(option or ()))
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"The sandbox cannot start: {error}") from error
