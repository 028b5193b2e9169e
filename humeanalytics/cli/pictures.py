"""``plot``: pictures of a lake's tables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import LakeOption, existing_lake
from humeanalytics.errors import UsageError

if TYPE_CHECKING:
    from humeanalytics.lake.lake import Lake
    from humeanalytics.lake.query import Query

plot = typer.Typer(help="Draw a lake's tables to PNG, SVG or PDF.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(plot, name="plot")


class Theme(StrEnum):
    """How a picture is coloured."""

    light = "light"
    dark = "dark"


TableArgument = Annotated[str, typer.Argument(help="A score table: face, prosody, burst or language.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The file to write.", metavar="FILE")]
RecordingOption = Annotated[str | None, typer.Option(help="File name, path or id of the recording.")]
ThemeOption = Annotated[Theme, typer.Option(help="light or dark.")]


@plot.command(epilog="Example: humeanalytics plot timeline prosody --recording 007_interview.flac --lake lake -o timeline.png")
def timeline(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("timeline.png"),
    recording: RecordingOption = None,
    expressions: Annotated[
        str | None, typer.Option(help="Comma-separated columns, e.g. joy,calmness. Default: the strongest.")
    ] = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw how expressions move over the time of one recording."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame, name = _rows(opened, table, recording)
        axes = drawing.timeline(
            frame,
            [each.strip() for each in expressions.split(",")] if expressions else None,
            theme=theme.value,
            title=f"{table}: {name}",
        )
        drawing.save(axes, output)
    typer.echo(f"wrote {output}")


@plot.command(epilog="Example: humeanalytics plot top prosody --lake lake -o top.png")
def top(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("top.png"),
    recording: RecordingOption = None,
    k: Annotated[int, typer.Option("-k", help="How many expressions.")] = 10,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw the strongest expressions of a table, or of one recording."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame, name = (opened[table], None) if recording is None else _rows(opened, table, recording)
        axes = drawing.top(frame, k, theme=theme.value, title=table if name is None else f"{table}: {name}")
        drawing.save(axes, output)
    typer.echo(f"wrote {output}")


def _rows(lake: Lake, table: str, recording: str | None) -> tuple[Query, str]:
    """Return the rows of one recording, and what to call it."""
    items = lake.sql(
        "SELECT DISTINCT i.recording_id, i.name FROM items AS i SEMI JOIN t USING (recording_id) "
        "WHERE $what IS NULL OR $what IN (i.uri, i.name, i.recording_id, i.item_id) OR ends_with(i.uri, '/' || $what) "
        "ORDER BY i.name",
        {"what": recording},
        t=lake[table],
    ).rows()
    ids = {item["recording_id"] for item in items}
    if len(ids) == 1:
        only = items[0]
        return lake.sql("SELECT * FROM t WHERE recording_id = ?", [only["recording_id"]], t=lake[table]), only["name"]
    if not ids:
        called = f" called {recording!r}" if recording else ""
        raise UsageError(f"{table} has no rows of a recording{called}. SELECT name FROM items lists the names.")
    names = sorted({item["name"] for item in items})
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    raise UsageError(f"{table} has {len(ids)} recordings; name one with --recording: {', '.join(names[:8])}{more}.")
