"""``score`` and ``ingest``: what brings rows into a lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import (
    JsonOption,
    LakeOption,
    SandboxOption,
    SeedOption,
    WaitOption,
    lake_uri,
    print_json,
    seconds,
    service,
)
from humeanalytics.errors import UsageError

if TYPE_CHECKING:
    from humeanalytics.jobs.summary import RunSummary

ManifestOption = Annotated[Path | None, typer.Option(help="CSV that ties labels to files.", metavar="FILE")]
OnOption = Annotated[str | None, typer.Option("--on", help="Column of the manifest that names the file.", metavar="COLUMN")]
OnFileOrChatOption = Annotated[
    str | None,
    typer.Option("--on", help="Its column with the file; of chats custom_session_id, chat_id, ...", metavar="COLUMN"),
]
SubjectsOption = Annotated[
    Path | None, typer.Option(help="CSV of who is who: recording, subject, role, participant.", metavar="FILE")
]
SegmentsOption = Annotated[
    list[Path] | None,
    typer.Option(help="CSV, ELAN or TextGrid of the phases of recordings, or a folder of them; repeatable.", metavar="FILE"),
]
TierOption = Annotated[str | None, typer.Option(help="The tier of those that holds the segments.", metavar="NAME")]
LabelOption = Annotated[list[str] | None, typer.Option("--label", help="A label for all; repeatable.", metavar="KEY=VALUE")]


@app.command(epilog="Example: humeanalytics score recordings/ --sandbox --lake lake --manifest participants.csv")
def score(
    inputs: Annotated[list[str] | None, typer.Argument(help="Folders, globs, files, URLs.", metavar="INPUT...")] = None,
    lake: LakeOption = None,
    api: Annotated[str, typer.Option(help="expression (v1), or batch: v0, which Hume has ended.")] = "expression",
    models: Annotated[
        str | None, typer.Option(help="Comma-separated: audio,video; of v0 face,prosody,burst,language,ner,facemesh.")
    ] = None,
    channels: Annotated[str | None, typer.Option(help="mix, or split: each channel of a recording is a speaker.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames of a video scored a second; of v0, 0 is all.")] = None,
    crop: Annotated[str | None, typer.Option(help="Score this part of the picture.", metavar="X,Y,W,H")] = None,
    budget: Annotated[float | None, typer.Option(help="Stop before more than this is billed.", metavar="SECONDS")] = None,
    resend_unknown: Annotated[
        str, typer.Option(help="Send again uploads whose answer was lost: never, unbilled or always.")
    ] = "never",
    identify_speakers: Annotated[bool, typer.Option("--identify-speakers", help="v0: tell speakers apart.")] = False,
    identify_faces: Annotated[bool, typer.Option("--identify-faces", help="v0: tell faces apart.")] = False,
    facs: Annotated[bool, typer.Option("--facs", help="v0: score facial action units too.")] = False,
    descriptions: Annotated[bool, typer.Option("--descriptions", help="v0: score descriptions of faces too.")] = False,
    sentiment: Annotated[bool, typer.Option("--sentiment", help="v0: score the sentiment of language too.")] = False,
    toxicity: Annotated[bool, typer.Option("--toxicity", help="v0: score the toxicity of language too.")] = False,
    granularity: Annotated[str | None, typer.Option(help="v0: word, sentence, utterance or conversational_turn.")] = None,
    language: Annotated[str | None, typer.Option(help="v0: language of the transcript; otherwise it is detected.")] = None,
    settings: Annotated[Path | None, typer.Option(help="TOML file of models and options.", metavar="FILE")] = None,
    texts: Annotated[Path | None, typer.Option("--text", help="v0: CSV, TSV or Parquet of texts.", metavar="FILE")] = None,
    text_column: Annotated[str | None, typer.Option(help="That column. Default: text.", metavar="COLUMN")] = None,
    manifest: ManifestOption = None,
    on: OnOption = None,
    label: LabelOption = None,
    subjects: SubjectsOption = None,
    segments: SegmentsOption = None,
    tier: TierOption = None,
    channel_names: Annotated[
        str | None, typer.Option(help="With --channels split: roles of the channels, e.g. agent,customer.", metavar="A,B")
    ] = None,
    sandbox: SandboxOption = False,
    seed: SeedOption = 7,
    force: Annotated[bool, typer.Option("--force", help="Score again what was scored before.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read files again, whatever their size and time say.")] = False,
    concurrency: Annotated[int | None, typer.Option(help="Uploads under way at once.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Stop waiting for results after this, e.g. 6h.", metavar="TIME")] = None,
    wait: WaitOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent, and what it would cost.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: JsonOption = False,
) -> int:
    """Score recordings and put the answers into a lake. What was scored before is not sent again."""
    from humeanalytics.jobs.dry_run import dry_run_of
    from humeanalytics.jobs.manifest import parse_label
    from humeanalytics.jobs.scoring import score as score_recordings

    switches = {
        **{"identify_speakers": identify_speakers, "identify_faces": identify_faces, "facs": facs, "descriptions": descriptions},
        **{"sentiment": sentiment, "toxicity": toxicity},
    }
    by_batch = api == "batch"
    values: dict[str, Any] = {"granularity": granularity, "language": language, "channels": channels, "crop": crop}
    values["fps_pred" if by_batch else "fps"] = fps
    options = {name: True for name, on_ in switches.items() if on_} | {n: v for n, v in values.items() if v is not None}
    arguments: dict[str, Any] = {
        "api": api,
        "models": [model.strip() for model in models.split(",")] if models else None,
        "options": options,
        "scoring": settings,
        "texts": texts,
        "text_column": text_column,
        "manifest": manifest,
        "on": on,
        "labels": dict(parse_label(each) for each in label or ()),
        "rehash": rehash,
        "budget_s": budget,
        "resend_unknown": resend_unknown,
    }
    said: dict[str, Any] = {"subjects": subjects, "segments": segments, "tier": tier}
    said["channel_names"] = channel_names.split(",") if channel_names else ()
    uri = lake_uri(lake)
    if dry_run:
        plan = dry_run_of(inputs or [], uri, **arguments)
        print_json(plan.to_dict()) if json else typer.echo(str(plan))
        return 0
    flags: dict[str, Any] = {"concurrency": concurrency, "wait_s": seconds(timeout) if timeout else None}
    with service(uri, sandbox=sandbox, seed=seed, flow=api, lock_wait_s=seconds(wait), **flags) as connection:
        summary = score_recordings(
            inputs or [],
            uri,
            **arguments,
            **said,
            settings=connection,
            force=force,
            retry_failed=retry_failed,
            lock_wait_s=seconds(wait),
            progress=not quiet,
        )
    return report(summary, json)


@app.command(epilog="Example: humeanalytics ingest downloads/ HumeAI_predictions_1f3a.json --lake lake --recordings recordings/")
def ingest(
    files: Annotated[
        list[str] | None, typer.Argument(help="Saved answers, chats, transcripts: files, folders.", metavar="FILE...")
    ] = None,
    lake: LakeOption = None,
    recordings: Annotated[
        list[str] | None, typer.Option(help="Folder of the recordings that were scored; repeatable.", metavar="FOLDER")
    ] = None,
    manifest: ManifestOption = None,
    on: OnFileOrChatOption = None,
    label: LabelOption = None,
    subjects: SubjectsOption = None,
    segments: SegmentsOption = None,
    tier: TierOption = None,
    no_raw: Annotated[bool, typer.Option("--no-raw", help="Keep the tables only, not the answers as they came.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Read again what could not be read before.")] = False,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read files again, whatever their size and time say.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that read at once. Default: one for each core.")] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="The files were made by the sandbox.")] = False,
    wait: WaitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: JsonOption = False,
) -> int:
    """Read whatever was saved from Hume into a lake. What is there already, in any form, gives no new rows."""
    from humeanalytics.jobs.ingesting import ingest as ingest_files
    from humeanalytics.jobs.manifest import parse_label
    from humeanalytics.settings import load_settings

    if not (files or subjects or segments):
        raise UsageError("Name at least one file.")
    summary = ingest_files(
        files or [],
        lake_uri(lake),
        manifest=manifest,
        on=on,
        labels=dict(parse_label(each) for each in label or ()),
        subjects=subjects,
        segments=segments,
        tier=tier,
        recordings=recordings or (),
        raw=not no_raw,
        retry_failed=retry_failed,
        rehash=rehash,
        synthetic=synthetic,
        settings=load_settings(workers=workers),
        lock_wait_s=seconds(wait),
        progress=not quiet,
    )
    return report(summary, json)


def report(summary: RunSummary, json: bool) -> int:
    """Print what a run did and return its exit code."""
    print_json(summary.to_dict()) if json else typer.echo(str(summary))
    return summary.exit_code
