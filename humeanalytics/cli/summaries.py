"""``summarise``: a lake as one row for each person, recording or speaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import JsonOption, LakeOption, existing_lake, print_json
from humeanalytics.errors import UsageError

#: More are no table to read.
_MOST_COLUMNS = 20


@app.command(epilog="Example: humeanalytics summarise --per participant --model prosody --lake lake -o wide.csv")
def summarise(
    lake: LakeOption = None,
    per: Annotated[str, typer.Option(help="participant or any other label; recording; speaker.")] = "participant",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "--models", help="prosody, face, ... or audio, video of v1; repeat it. Default: all that have rows."
        ),
    ] = None,
    expressions: Annotated[str | None, typer.Option(help="Comma-separated columns, e.g. joy,calmness. Default: all.")] = None,
    level: Annotated[float, typer.Option(help="What a score has to exceed to count as above.")] = 0.5,
    mixed_settings: Annotated[
        bool, typer.Option("--mixed-settings", help="Take recordings scored with different settings together.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the table: .csv, .parquet, .xlsx, .sav (SPSS) or .dta (Stata).", metavar="FILE"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Sum up scores: mean, spread, quantiles, time above a level and peaks of each expression; of v1 presence."""
    from humeanalytics.analysis.summaries import summarise as summary_of
    from humeanalytics.lake import display
    from humeanalytics.lake.frame_files import checked_path, write

    if output is not None:
        checked_path(output)
    names = [each.strip() for each in expressions.split(",")] if expressions else None
    with existing_lake(lake) as opened:
        table = summary_of(opened, per, model or None, expressions=names, level=level, mixed_settings=mixed_settings)
    if json:
        print_json(table.to_pylist())
    elif output is None and table.num_columns > _MOST_COLUMNS:
        raise UsageError(f"The table has {table.num_columns:,} columns: write it with -o wide.csv, or print it with --json.")
    elif output is None:
        typer.echo(display.text(table, more=False))
    if output is not None:
        write(table, output)
        typer.echo(f"wrote {output}: {table.num_rows:,} rows, {table.num_columns:,} columns", err=json)
