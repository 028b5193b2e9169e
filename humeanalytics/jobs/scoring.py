"""The verb `score`: recordings in, rows in the lake out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from humeanalytics.api.batch import BatchApi
from humeanalytics.errors import ApiError, HumeAnalyticsError, ItemError, SettingsError, UsageError
from humeanalytics.jobs import states
from humeanalytics.jobs.batch import FLOW, BatchFlow
from humeanalytics.jobs.bookkeeping import load_rows
from humeanalytics.jobs.contents import Contents
from humeanalytics.jobs.floor import Floor
from humeanalytics.jobs.flow import open_flow, run_row
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.manifest import read_manifest
from humeanalytics.jobs.plan import Grouping
from humeanalytics.jobs.progress import Progress, show_progress
from humeanalytics.jobs.running import run_sync
from humeanalytics.jobs.scoring_settings import BatchScoring, batch_scoring, read_scoring
from humeanalytics.jobs.sources import find_sources, text_sources
from humeanalytics.jobs.summary import RunSummary, oddities
from humeanalytics.jobs.taking_in import Labelling, TakingIn, Wanted
from humeanalytics.jobs.work import Source
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings

PathLike = str | os.PathLike[str]


def score(
    inputs: PathLike | Iterable[PathLike] = (),
    lake: Lake | PathLike | None = None,
    *,
    api: str | None = None,
    models: Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None = None,
    options: Mapping[str, Any] | None = None,
    transcription: Mapping[str, Any] | bool = True,
    scoring: BatchScoring | PathLike | None = None,
    texts: PathLike | None = None,
    text_column: str | None = None,
    manifest: PathLike | None = None,
    on: str | None = None,
    labels: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    force: bool = False,
    retry_failed: bool = False,
    rehash: bool = False,
    lock_wait_s: float = 0.0,
    progress: bool = False,
) -> RunSummary:
    """Score recordings and put the answers into a lake; send nothing that was scored before.

    Whatever ends it (Ctrl-C, a crash, a power cut), the same call goes on where it stopped: nothing is sent twice and no
    row is lost or doubled.

    Args:
        inputs: Folders, glob patterns, files, http(s) URLs; one or several.
        lake: A `Lake`, or where one is or shall be. Default: the setting ``lake``.
        api: ``batch`` (Expression Measurement v0: discontinued by Hume, spoken by the sandbox).
        models: Model names, or a mapping of names to their options. Default: face, prosody, burst, language.
        options: Options for every chosen model that has them, such as ``identify_speakers=True`` or ``granularity="word"``.
        transcription: Options of the transcription, or False for none.
        scoring: Settings made with `batch_scoring`, or a TOML file of them, instead of the three above.
        texts: A table (CSV, TSV, Parquet) whose column ``text_column`` holds texts to score; other columns become labels.
        manifest: A CSV that ties labels to files; ``on`` names the column that names the file.
        labels: Labels for everything in this call.
        settings: Keys, hosts and limits. Default: from the environment (`load_settings`).
        force: Score again what was scored with these settings.
        retry_failed: Try again what failed before.
        rehash: Read files again even where size and time say that they are as they were.
        lock_wait_s: How long to wait for another run on this lake, in seconds.
        progress: Show how far it is.

    Returns:
        What was done, in numbers.

    Raises:
        UsageError: The call cannot mean anything.
        LakeLocked, LakeMixed, LedgerMismatch: The lake cannot take this run.
        MissingKey, AuthenticationFailed, PermissionDenied, ServiceDiscontinued: Hume does not let us.
        ServiceUnreachable, RateLimited, ServerFailed: Hume was down until the deadline.
        WaitTimeout: ``settings.wait_s`` passed; everything under way goes on at Hume.
        Interrupted: Ctrl-C.

    Examples:
        >>> import humeanalytics as ha
        >>> with ha.Sandbox() as hume:  # doctest: +SKIP
        ...     ha.score("recordings/", "lake", api="batch", models=["prosody"], settings=hume.settings)
    """
    sources = sources_of(inputs, texts, text_column, api)
    with show_progress(progress) as shown:
        return run_sync(
            _score(
                sources,
                lake,
                scoring_of(scoring, models, options, transcription),
                Labelling(None if manifest is None else read_manifest(Path(manifest), on=on), labels or {}, sources),
                settings or load_settings(),
                {"force": force, "retry_failed": retry_failed, "rehash": rehash},
                lock_wait_s,
                shown,
            )
        )


def sources_of(
    inputs: PathLike | Iterable[PathLike], texts: PathLike | None, text_column: str | None, api: str | None
) -> list[Source]:
    """Return everything that a call names.

    Raises:
        UsageError: It names nothing, or no API.
    """
    if api is None:
        raise UsageError("Say which API shall score: api='batch' (--api batch). Expression Measurement v1 is not built in yet.")
    if api != FLOW:
        raise UsageError(f"There is no API {api!r} to score with. There is: batch.")
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    sources = list(find_sources(given))
    if texts is not None:
        sources += text_sources(Path(texts), text_column)
    if not sources:
        raise UsageError(f"Nothing to score in {', '.join(str(each) for each in given) or 'no input at all'}.")
    return sources


def scoring_of(
    scoring: BatchScoring | PathLike | None,
    models: Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None,
    options: Mapping[str, Any] | None,
    transcription: Mapping[str, Any] | bool,
) -> BatchScoring:
    """Return the settings of a scoring, however they were given."""
    if scoring is None:
        return batch_scoring(models, options=options, transcription=transcription)
    if models is not None or options or transcription is not True:
        raise SettingsError("Give the settings of the scoring either in a file or one by one, not both.")
    return scoring if isinstance(scoring, BatchScoring) else read_scoring(Path(scoring))


async def _score(
    sources: Sequence[Source],
    lake: Lake | PathLike | None,
    scoring: BatchScoring,
    labelling: Labelling,
    settings: Settings,
    flags: Mapping[str, bool],
    lock_wait_s: float,
    progress: Progress,
) -> RunSummary:
    begun = time.monotonic()
    settings.key()  # before anything is made: a missing key is the commonest first mistake
    with open_flow(lake, FLOW, "score", settings, lock_wait_s) as (opened, ledger, run_id):
        summary = RunSummary("score", opened.uri, run_id)
        async with BatchApi(settings) as api:
            await api.check()
            opened.claim(synthetic=bool(api.synthetic))
            opened.bind_ledger(ledger.ledger_id)
            summary.synthetic = bool(api.synthetic)
            wanted = Wanted(FLOW, api.origin, scoring.settings_id, tuple(scoring.models))
            _record_settings(opened, ledger, scoring, run_id)
            contents = Contents(sources)
            taking_in = TakingIn(opened, ledger, sources, labelling, Grouping(settings), wanted, summary, progress)
            floor = Floor(opened, ledger, api, settings, contents, progress, run_id)
            flow = BatchFlow(floor, scoring)
            ended: BaseException | None = None
            try:
                await flow.recover()
                await flow.run(taking_in.groups(**flags))
            except (HumeAnalyticsError, asyncio.CancelledError) as error:
                ended = error
            _conclude(summary, floor, ended)
            summary.notes += labelling.notes()
            summary.duration_s = time.monotonic() - begun
            load_rows(opened, {"runs": [run_row(summary, ledger)]}, flow=FLOW, run_id=run_id)
            ledger.end_run(run_id, summary.exit_code, summary.to_dict())
    if ended is not None:
        if isinstance(ended, HumeAnalyticsError):
            ended.add_note(str(summary))
        raise ended
    return summary


def _record_settings(lake: Lake, ledger: Ledger, scoring: BatchScoring, run_id: str) -> None:
    """Write what these settings are, the first time they are used: in the lake first, so that the ledger's word is enough."""
    if not ledger.knows_settings(scoring.settings_id):
        row = {"settings_id": scoring.settings_id, "api": FLOW, "canonical_json": scoring.canonical_json}
        load_rows(lake, {"settings": [row]}, flow=FLOW, run_id=run_id)
        ledger.record_settings(scoring.settings_id, FLOW, scoring.canonical_json)


def _conclude(summary: RunSummary, floor: Floor, ended: BaseException | None) -> None:
    loader, ledger = floor.loader, floor.ledger
    summary.recordings.update({"scored": loader.outcomes["done"], "failed": loader.outcomes["failed"]})
    summary.recordings["sent"] = floor.counts["sent"]
    summary.rows = loader.rows_loaded
    summary.cost_usd = floor.cost_usd
    summary.jobs.update(ledger.counts_of_run(floor.run_id))
    for uri, message in loader.messages:
        summary.add_error(uri, message)
    for trouble in floor.troubles:
        summary.add_error(trouble.item if isinstance(trouble, ItemError) else None, str(trouble))
    unknown = sum(len(ledger.works(job.job_id)) for job in ledger.jobs(states.UNKNOWN, api=FLOW))
    if unknown:
        summary.recordings["unknown"] = unknown
        summary.notes.append(
            f"{unknown} recordings were sent and their answer was lost. They are looked for at Hume at the start of each run, "
            "or by: humeanalytics reconcile"
        )
    if unsuited := summary.recordings["unsuited"]:
        summary.notes.append(
            f"{unsuited:,} recordings were not sent: none of the models chosen can answer for their kind of media."
        )
    summary.notes += oddities(loader.scores_rounded, loader.names_doubled)
    if loader.known_again:
        summary.notes.append(f"{loader.known_again:,} answers were in the lake already and gave no new rows.")
    failed = summary.recordings["failed"] or summary.recordings["refused"] or unknown
    codes = {3} if failed else set()
    codes |= {75 if isinstance(trouble, ApiError) else 3 for trouble in floor.troubles}
    if isinstance(ended, HumeAnalyticsError):
        codes.add(ended.exit_code)
    elif ended is not None:
        codes.add(75)
    summary.exit_code = next((code for code in (4, 5, 75, 3, 2, 1) if code in codes), 0)
    if summary.recordings["failed_before"]:
        summary.notes.append(
            f"{summary.recordings['failed_before']:,} failed before and were not tried again: --retry-failed does."
        )
