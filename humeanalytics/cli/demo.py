"""``demo``: the whole way once, on samples that come with the package, with no key and no network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import service

_QUESTIONS = (
    (
        "Who sounds how? The mean of two expressions in the voice, by participant.",
        "SELECT participant, count(*) AS stretches, round(avg(joy), 3) AS joy, round(avg(calmness), 3) AS calmness\n"
        "FROM prosody_labelled GROUP BY ALL ORDER BY participant",
    ),
    (
        "What was said with the most amusement?",
        "SELECT participant, begin_s, text, amusement\nFROM prosody_labelled ORDER BY amusement DESC LIMIT 5",
    ),
    (
        "Which expressions does the face show most?",
        "SELECT * FROM top_expressions('face', 5)",
    ),
)


@app.command(epilog="Example: humeanalytics demo")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo may write.")] = Path("humeanalytics-demo"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> int:
    """Score sample recordings through the built-in sandbox, ask three questions in SQL, draw a picture."""
    from humeanalytics import plot as drawing
    from humeanalytics.jobs.opening import open_lake
    from humeanalytics.jobs.scoring import score
    from humeanalytics.samples import samples_folder

    begun = time.monotonic()
    samples = samples_folder()
    lake_folder = folder / "lake"
    _step(1, "Score the sample recordings", f"two voices, a video and two texts from {samples / 'recordings'}")
    typer.echo(
        "Hume's v0 batch API was switched off in June 2026. This runs against the sandbox, an emulator that ships with the\n"
        "package: the recordings are really looked at, the scores are invented (the same for everybody).\n"
    )
    with service(str(lake_folder), sandbox=True, seed=7, transcripts=samples / "transcripts") as settings:
        summary = score(
            samples / "recordings",
            lake_folder,
            api="batch",
            manifest=samples / "manifest.csv",
            settings=settings,
            progress=not quiet,
        )
    typer.echo(f"{summary}\n")
    if not summary.recordings["sent"]:
        typer.echo("Nothing new: everything was scored by an earlier demo, and nothing is ever sent twice.\n")

    with open_lake(lake_folder) as lake:
        _step(2, "Ask three questions in SQL", 'humeanalytics sql "..." --lake ' + str(lake_folder))
        for question, query in _QUESTIONS:
            typer.echo(f"{question}\n\n{_indent(query)}\n\n{lake.sql(query)!r}\n")

        _step(3, "Draw the expressions of one voice over time", "humeanalytics plot timeline prosody")
        first = lake.sql(
            "SELECT recording_id, min(name) AS name FROM prosody_labelled GROUP BY ALL ORDER BY count(*) DESC, name"
        ).rows()[0]
        frame = lake.sql("SELECT * FROM prosody WHERE recording_id = ?", [first["recording_id"]])
        picture = folder / "timeline.png"
        drawing.save(drawing.timeline(frame, title=f"Expressions in the voice: {first['name']}"), picture)
        typer.echo(f"wrote {picture}\n")

    _step(4, "Where everything is", "")
    for place, what in (
        (picture, "the picture"),
        (lake_folder / "tables", "tables (Delta Lake: Spark, Polars, DuckDB, ... read them too)"),
        (lake_folder / "raw", "every answer as it came"),
        (lake_folder / "ledger.sqlite", "what was sent, and what came of it"),
    ):
        typer.echo(f"  {place!s:<40} {what}")
    typer.echo(f"\nDone in {time.monotonic() - begun:.1f} s. Next: humeanalytics tables --lake {lake_folder}")
    return summary.exit_code


def _step(number: int, title: str, detail: str) -> None:
    typer.secho(f"{number}. {title}", bold=True)
    if detail:
        typer.secho(f"   {detail}", dim=True)


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
