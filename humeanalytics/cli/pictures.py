"""``plot``: pictures of a lake: of one recording or chat (timeline, faces, transcript), of many (the others)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import LakeOption, existing_lake
from humeanalytics.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
ExpressionsOption = Annotated[
    str | None, typer.Option(help="Comma-separated columns, e.g. joy,calmness. Default: the strongest.")
]
WhereOption = Annotated[str | None, typer.Option(help="Only rows of which this holds: role = 'agent'.", metavar="SQL")]
UnitOption = Annotated[str | None, typer.Option(help="The label of what is independent, e.g. participant.", metavar="LABEL")]
ByOption = Annotated[
    str | None, typer.Option(help="The label of the groups: condition, participant, role, segment, ...", metavar="LABEL")
]


@plot.command(epilog="Example: humeanalytics plot timeline prosody --recording 007_interview.flac --lake lake -o timeline.png")
def timeline(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("timeline.png"),
    recording: RecordingOption = None,
    expressions: ExpressionsOption = None,
    where: WhereOption = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw how expressions move over the time of one recording."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame, name = _rows(opened, table, recording, where)
        _save(drawing.timeline(frame, _listed(expressions), theme=theme.value, title=f"{table}: {name}"), output)


@plot.command(epilog="Example: humeanalytics plot faces 012_greeting.mp4 --lake lake -o faces.png")
def faces(
    video: Annotated[Path, typer.Argument(help="The film.", metavar="FILE")],
    lake: LakeOption = None,
    output: OutputOption = Path("faces.png"),
    expressions: ExpressionsOption = None,
    moments: Annotated[int, typer.Option(help="How many frames.")] = 6,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw the strongest moments of a film: its frames, with boxes and expressions of faces (v0)."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame, _ = _rows(opened, "face", video.name)
        _save(drawing.faces(video, frame, _listed(expressions), moments=moments, theme=theme.value), output)


@plot.command(epilog="Example: humeanalytics plot transcript 1067b99c-4509-4778-b9d7-136dc0c07d5b --lake lake -o chat.png")
def transcript(
    chat: Annotated[str, typer.Argument(help="The chat's id, or its beginning.", metavar="CHAT_ID")],
    lake: LakeOption = None,
    output: OutputOption = Path("transcript.png"),
    first: Annotated[int, typer.Option(help="The message to begin with.")] = 1,
    limit: Annotated[int, typer.Option(help="At most so many messages.")] = 30,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw what was said in a chat, each message shaded by the strongest expression of its voice."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame = opened.sql("SELECT * FROM transcript WHERE starts_with(chat_id, ?)", [chat])
        if not frame.head(1)[0].num_rows:
            raise UsageError(f"There is no message of a chat {chat!r} in this lake. SELECT chat_id FROM chats lists the chats.")
        events = opened.sql("SELECT * FROM chat_events WHERE starts_with(chat_id, ?)", [chat])
        _save(drawing.transcript(frame, events=events, first=first, limit=limit, theme=theme.value), output)


@plot.command(epilog="Example: humeanalytics plot top prosody --lake lake -o top.png")
def top(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("top.png"),
    recording: RecordingOption = None,
    by: ByOption = None,
    k: Annotated[int, typer.Option("-k", help="How many expressions.")] = 10,
    where: WhereOption = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw the strongest expressions of a table, or of one recording."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame, name = (_table(opened, table, where), None) if recording is None else _rows(opened, table, recording, where)
        _save(drawing.top(frame, k, by=by, theme=theme.value, title=table if name is None else f"{table}: {name}"), output)


@plot.command(epilog="Example: humeanalytics plot compare prosody --by condition --unit participant --lake lake -o compare.pdf")
def compare(
    table: TableArgument,
    by: Annotated[str, typer.Option(help="The label of the groups, e.g. condition.", metavar="LABEL")],
    lake: LakeOption = None,
    output: OutputOption = Path("compare.png"),
    unit: UnitOption = None,
    expressions: ExpressionsOption = None,
    k: Annotated[int | None, typer.Option("-k", help="How many expressions. Default: as many as fit.")] = None,
    where: WhereOption = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw how groups differ: differences with intervals, those that pass the control of false discoveries filled."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        _save(
            drawing.compare(_table(opened, table, where), by, unit, expressions=_listed(expressions), k=k, theme=theme.value),
            output,
        )


@plot.command(epilog="Example: humeanalytics plot distribution prosody --by condition --expressions joy,calmness --lake lake")
def distribution(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("distribution.png"),
    by: ByOption = None,
    unit: UnitOption = None,
    expressions: ExpressionsOption = None,
    where: WhereOption = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw how scores spread, by groups, with the mean of each person."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame = _table(opened, table, where)
        _save(drawing.distribution(frame, _listed(expressions), by=by, unit=unit, theme=theme.value), output)


@plot.command(epilog="Example: humeanalytics plot heatmap face --by participant --lake lake -o heatmap.png")
def heatmap(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("heatmap.png"),
    by: ByOption = None,
    recording: RecordingOption = None,
    expressions: ExpressionsOption = None,
    k: Annotated[int | None, typer.Option("-k", help="How many expressions. Default: all.")] = None,
    where: WhereOption = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw mean scores as fields of colour: expressions by groups, or over the time of one recording."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame = _table(opened, table, where) if by and recording is None else _rows(opened, table, recording, where)[0]
        _save(drawing.heatmap(frame, _listed(expressions), by=by, k=k, theme=theme.value), output)


@plot.command(epilog="Example: humeanalytics plot coverage prosody --lake lake -o coverage.png")
def coverage(
    table: TableArgument,
    lake: LakeOption = None,
    output: OutputOption = Path("coverage.png"),
    recording: RecordingOption = None,
    where: WhereOption = None,
    theme: ThemeOption = Theme.light,
) -> None:
    """Draw what was measured of each recording, and what speaks against trusting it."""
    from humeanalytics import plot as drawing

    with existing_lake(lake) as opened:
        frame = _table(opened, table, where) if recording is None else _rows(opened, table, recording, where)[0]
        _save(drawing.coverage(frame, theme=theme.value), output)


def _listed(expressions: str | None) -> list[str] | None:
    return [each.strip() for each in expressions.split(",")] if expressions else None


def _save(axes: Axes, output: Path) -> None:
    from humeanalytics import plot as drawing

    typer.echo(f"wrote {drawing.save(axes, output)}")


def _table(lake: Lake, table: str, where: str | None) -> Query:
    """Return the rows of a table with their labels, or those for which a condition holds."""
    rows = lake.labelled(table)
    return rows if where is None else lake.sql(f"SELECT * FROM t WHERE ({where}\n)", t=rows)


def _rows(lake: Lake, table: str, recording: str | None, where: str | None = None) -> tuple[Query, str]:
    """Return the rows of one recording, and what to call it."""
    items = lake.sql(
        "SELECT DISTINCT i.recording_id, i.name FROM items AS i SEMI JOIN t USING (recording_id) "
        "WHERE $what IS NULL OR $what IN (i.uri, i.name, i.recording_id, i.item_id) OR ends_with(i.uri, '/' || $what) "
        "ORDER BY i.name",
        {"what": recording},
        t=lake.labelled(table),
    ).rows()
    ids = {item["recording_id"] for item in items}
    if len(ids) == 1:
        only = items[0]
        rows = lake.sql("SELECT * FROM t WHERE recording_id = ?", [only["recording_id"]], t=_table(lake, table, where))
        return rows, only["name"]
    if not ids:
        called = f" called {recording!r}" if recording else ""
        raise UsageError(f"{table} has no rows of a recording{called}. SELECT name FROM items lists the names.")
    names = sorted({item["name"] for item in items})
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    raise UsageError(f"{table} has {len(ids)} recordings; name one with --recording: {', '.join(names[:8])}{more}.")
