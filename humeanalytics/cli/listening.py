"""``listen``: webhooks of EVI and callbacks of v0 jobs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import JsonOption, LakeOption, WaitOption, lake_uri, print_json, seconds
from humeanalytics.errors import UsageError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM]?)B?")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")


@app.command(epilog="Example: humeanalytics listen --lake lake --signing-key-file webhook.key")
def listen(
    lake: LakeOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; by default only this machine reaches it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8899,
    signing_key_file: Annotated[
        Path | None, typer.Option(help="File of the keys that webhooks are signed with, one a line.", metavar="FILE")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Take webhooks that nobody signed; without a key.")] = False,
    max_body: Annotated[str, typer.Option(help="The largest webhook that is taken, e.g. 500kB.", metavar="SIZE")] = "1MB",
    rate: Annotated[str, typer.Option(help="So many deliveries are taken a second.", metavar="N/s")] = "50/s",
    show_urls: Annotated[
        bool, typer.Option("--show-urls", help="Print the addresses to give to Hume, with the token of callbacks, and end.")
    ] = False,
    public_url: Annotated[
        str | None, typer.Option(help="With --show-urls: how Hume reaches this receiver, e.g. https://hooks.example.org.")
    ] = None,
    wait: WaitOption = None,
    json: JsonOption = False,
) -> int:
    """Take webhooks of EVI and callbacks of v0 jobs until Ctrl-C; export each chat, collect each job that has ended."""
    from humeanalytics.jobs import listening
    from humeanalytics.settings import load_settings

    uri, settings = lake_uri(lake), load_settings(webhook_signing_key_file=signing_key_file)
    if show_urls:
        webhooks, callbacks = listening.hook_urls(uri, public_url, settings=settings)
        if json:
            print_json({"webhook_url": webhooks, "callback_url": callbacks})
        else:
            print(f"webhooks of EVI:  {webhooks}\ncallbacks of v0:  {callbacks}")
        return 0
    if public_url is not None:
        raise UsageError("--public-url goes with --show-urls.")
    counts = listening.listen(
        uri,
        host=host,
        port=port,
        insecure=insecure,
        body_bytes=_bytes(max_body),
        per_s=_per_s(rate),
        settings=settings,
        lock_wait_s=seconds(wait),
        say=_say_aside if json else _say,
    )
    if json:
        print_json(counts)
    else:
        refused = sum(counts["refused"].values())
        _say(f"stopped: {counts['deliveries']:,} deliveries so far, {counts['waiting']:,} to do, {refused:,} requests refused")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _say_aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _bytes(text: str) -> int:
    """Return a size such as ``1MB`` in bytes.

    >>> _bytes("1MB"), _bytes("500kB"), _bytes("200")
    (1000000, 500000, 200)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no size. Write for example 500kB or 1MB.")
    return int(float(found[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[found[2].lower()])


def _per_s(text: str) -> float:
    found = _RATE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no rate. Write for example 50/s.")
    return float(found[1])
