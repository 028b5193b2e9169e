"""``sql``, ``tables``, ``status``, ``errors``, ``runs`` and ``why``: questions to a lake."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import JsonOption, LakeOption, existing_lake, print_json
from humeanalytics.errors import UsageError


@app.command(epilog='Example: humeanalytics sql "SELECT participant, avg(joy) FROM prosody_labelled GROUP BY ALL" --lake lake')
def sql(
    query: Annotated[str, typer.Argument(help="A query in DuckDB's SQL; - reads it from standard input.", metavar="QUERY")],
    lake: LakeOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answer to a .csv or .parquet file.", metavar="FILE")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Ask a lake in SQL. `humeanalytics tables` lists what there is to ask."""
    text = sys.stdin.read() if query == "-" else query
    with existing_lake(lake) as opened:
        answer = opened.sql(text)
        if output is not None:
            _write(answer, output)
        elif json:
            print_json(answer.rows())
        else:
            typer.echo(repr(answer))


def _write(answer: Any, path: Path) -> None:
    writers = {".csv": answer.to_csv, ".parquet": answer.to_parquet}
    if path.suffix.lower() not in writers:
        raise UsageError(f"{path} should end in .csv or .parquet.")
    typer.echo(f"wrote {writers[path.suffix.lower()](path)}")


@app.command(epilog="Example: humeanalytics tables --lake lake")
def tables(
    lake: LakeOption = None,
    all_: Annotated[bool, typer.Option("--all", help="List the _all and _labelled forms of each table too.")] = False,
    json: JsonOption = False,
) -> None:
    """List the tables, views and macros of a lake, with what a row of each is."""
    with existing_lake(lake) as opened:
        infos = [info for info in opened.tables() if all_ or not info.name.endswith(("_all", "_labelled"))]
    if json:
        print_json([{"name": i.name, "kind": i.kind, "rows": i.rows, "about": i.about} for i in infos])
        return
    _print_table(
        ("name", "rows", "a row is"),
        [(i.name, f"{i.rows:,}" if i.rows is not None else i.kind, i.about) for i in infos],
    )
    if not all_:
        typer.echo(
            "\nEach table has also NAME_all (every row ever loaded) and score tables NAME_labelled (with labels as columns)."
        )


@app.command(epilog="Example: humeanalytics status --lake lake")
def status(lake: LakeOption = None, json: JsonOption = False) -> None:
    """Tell how a lake's recordings and jobs stand."""
    from humeanalytics.jobs.standing import standing_of

    with existing_lake(lake) as opened:
        standing = standing_of(opened)
    if json:
        print_json(standing.to_dict())
        return
    for heading, text in standing.lines():
        typer.echo(f"{heading + ':':<14}{text}")


@app.command(epilog="Example: humeanalytics errors --lake lake")
def errors(
    lake: LakeOption = None,
    limit: Annotated[int, typer.Option(help="Show the newest so many.")] = 50,
    json: JsonOption = False,
) -> None:
    """List what Hume or the flattener could not do, newest first."""
    query = (
        "SELECT happened_at, stage, error, uri, hume_job_id, model, message FROM errors ORDER BY happened_at DESC, uri LIMIT ?"
    )
    with existing_lake(lake) as opened:
        rows = opened.sql(query, [limit]).rows()
    if json:
        print_json(rows)
    elif not rows:
        typer.echo("no errors")
    else:
        for row in rows:
            typer.echo(f"{row['happened_at']:%Y-%m-%d %H:%M} {row['stage']:<8}{row['uri'] or ''}\n    {row['message']}")


@app.command(epilog="Example: humeanalytics runs --lake lake")
def runs(
    lake: LakeOption = None,
    limit: Annotated[int, typer.Option(help="Show the newest so many.")] = 20,
    json: JsonOption = False,
) -> None:
    """List the runs on a lake, newest first."""
    query = "SELECT run_id, verb, started_at, ended_at, exit_code, counts_json FROM runs ORDER BY started_at DESC LIMIT ?"
    with existing_lake(lake) as opened:
        rows = opened.sql(query, [limit]).rows()
    if json:
        print_json(rows)
        return
    _print_table(
        ("started", "verb", "exit", "what it did"),
        [(f"{r['started_at']:%Y-%m-%d %H:%M:%S}", r["verb"], str(r["exit_code"]), _counted(r["counts_json"])) for r in rows],
    )


def _counted(counts_json: str) -> str:
    import json

    counts = json.loads(counts_json)
    chats = {f"chats {name}": count for name, count in counts.get("chats", {}).items()}
    shown = {**counts.get("files", {}), **counts.get("recordings", {}), **chats}
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in shown.items() if count) or "nothing to do"


@app.command(epilog="Example: humeanalytics why interview-07.wav --lake lake")
def why(
    what: Annotated[
        str, typer.Argument(help="A path, URL, file name, recording id, or job id (ours or Hume's).", metavar="WHAT")
    ],
    lake: LakeOption = None,
    json: JsonOption = False,
) -> None:
    """Tell the story of one recording or job: when it was sent, what came of it, what went wrong."""
    from humeanalytics.jobs.standing import story_of

    with existing_lake(lake) as opened:
        story = story_of(opened, what)
    if json:
        print_json(story)
        return
    for line in story:
        typer.echo(f"{(line['at'] or '')[:19].replace('T', ' '):<21}{line['what']}")


def _print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    import shutil
    import textwrap

    widths = [max(len(row[i]) for row in [headings, *rows]) for i in range(len(headings) - 1)]
    left = sum(widths) + 2 * len(widths)
    room = max(30, shutil.get_terminal_size((100, 24)).columns - left)
    for row in [headings, *rows]:
        cells = "".join(f"{cell:<{width + 2}}" for cell, width in zip(row[:-1], widths, strict=True))
        first, *more = textwrap.wrap(row[-1], room) or [""]
        typer.echo(f"{cells}{first}")
        for line in more:
            typer.echo(" " * left + line)
