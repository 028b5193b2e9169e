"""The verb `score`: recordings in, rows in the lake out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from humeanalytics.errors import SettingsError, UsageError
from humeanalytics.jobs import batch, expression
from humeanalytics.jobs.batch_run import score_by_batch
from humeanalytics.jobs.bookkeeping import uri_of
from humeanalytics.jobs.expression_run import score_by_expression
from humeanalytics.jobs.expression_scoring import ExpressionScoring, expression_scoring, read_expression_scoring
from humeanalytics.jobs.manifest import read_manifest
from humeanalytics.jobs.progress import show_progress
from humeanalytics.jobs.running import run_sync
from humeanalytics.jobs.scoring_settings import BatchScoring, batch_scoring, read_scoring
from humeanalytics.jobs.sources import find_sources, text_sources
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.upload_states import RESEND
from humeanalytics.jobs.who_when import read_who_when
from humeanalytics.jobs.work import Source
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings

PathLike = str | os.PathLike[str]

#: By which API is scored where nothing is said: the one that answers.
DEFAULT_API = expression.FLOW


def score(
    inputs: PathLike | Iterable[PathLike] = (),
    lake: Lake | PathLike | None = None,
    *,
    api: str | None = None,
    models: Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None = None,
    options: Mapping[str, Any] | None = None,
    transcription: Mapping[str, Any] | bool = True,
    scoring: BatchScoring | ExpressionScoring | PathLike | None = None,
    texts: PathLike | None = None,
    text_column: str | None = None,
    manifest: PathLike | None = None,
    on: str | None = None,
    labels: Mapping[str, str] | None = None,
    subjects: PathLike | None = None,
    segments: PathLike | Iterable[PathLike] | None = None,
    tier: str | None = None,
    channel_names: Sequence[str] = (),
    settings: Settings | None = None,
    force: bool = False,
    retry_failed: bool = False,
    rehash: bool = False,
    budget_s: float | None = None,
    resend_unknown: str = "never",
    lock_wait_s: float = 0.0,
    progress: bool = False,
) -> RunSummary:
    """Score recordings and put the answers into a lake; send nothing that was scored before.

    Whatever ends it (Ctrl-C, a crash, a power cut), the same call goes on where it stopped: nothing is sent twice and no
    row is lost or doubled.

    Args:
        inputs: Folders, glob patterns, files; for v0 http(s) URLs too. One or several.
        lake: A `Lake`, or where one is or shall be. Default: the setting ``lake``.
        api: ``expression`` (Expression Measurement v1, the default), or ``batch`` (v0: ended by Hume, spoken by the sandbox).
        models: Model names, or a mapping of names to their options. v1: audio, video (photos too), by default both, each for
            the recordings it can answer for. v0: by default face, prosody, burst, language.
        options: Options for every chosen model that has them. v1: ``channels="split"`` (each channel a speaker of its own),
            ``fps=1``, ``crop="640,0,640,360"``, ``measurement_timer_ms``, ``threshold``, ``min_size``. v0:
            ``identify_speakers=True``, ``granularity="word"``, ...
        transcription: Options of v0's transcription, or False for none.
        scoring: Settings made beforehand, or a TOML file of them, instead of the three above.
        texts: (v0) A table (CSV, TSV, Parquet) whose column ``text_column`` holds texts to score; other columns become labels.
        manifest: A CSV that ties labels to files; ``on`` names the column that names the file.
        labels: Labels for everything in this call.
        subjects: A CSV that says who is who: ``recording``, ``subject``, ``role``, ``participant``. See `ingest`.
        segments: Files or folders of files that say which phase of a recording is which. See `ingest`.
        tier: Their tier, where several have something in them.
        channel_names: (v1, with ``channels="split"``) The roles of the channels, in their order: ``["agent", "customer"]``. Of
            recordings that have another number of channels nothing is said.
        settings: Keys, hosts and limits. Default: from the environment (`load_settings`).
        force: Score again what was scored with these settings.
        retry_failed: Try again what failed before.
        rehash: Read files again even where size and time say that they are as they were.
        budget_s: (v1) Send nothing that would bring the seconds billed for this run above this.
        resend_unknown: (v1) What to do with uploads whose answer was lost, and cannot be fetched: ``never`` send them again,
            ``unbilled``: where the list of runs says that they were not billed, or ``always``: some may be billed twice.
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
        ...     ha.score("recordings/", "lake", models=["audio"], settings=hume.settings)
    """
    flow = _flow(api)
    if flow == batch.FLOW and (budget_s is not None or resend_unknown != "never"):
        raise UsageError("A budget of seconds and what to do with lost uploads are for v1: --api expression.")
    if resend_unknown not in RESEND:
        raise UsageError(f"Uploads whose answer was lost are sent again {', '.join(RESEND)}; not {resend_unknown!r}.")
    sources = sources_of(inputs, texts, text_column, flow)
    wanted = scoring_of(flow, scoring, models, options, transcription)
    labelling = Labelling(None if manifest is None else read_manifest(Path(manifest), on=on), labels or {}, sources)
    said = read_who_when(subjects, segments, tier)
    if channel_names:
        said.channel_names = _channel_names(channel_names, wanted)
        said.of_channels = frozenset(uri_of(source.uri) for source in sources)
    flags = {"force": force, "retry_failed": retry_failed, "rehash": rehash}
    settings = settings or load_settings()
    with show_progress(progress) as shown:
        if isinstance(wanted, BatchScoring):
            return run_sync(score_by_batch(sources, lake, wanted, labelling, settings, flags, lock_wait_s, shown, said))
        run = score_by_expression(
            sources, lake, wanted, labelling, settings, flags, lock_wait_s, shown, said, budget_s=budget_s, resend=resend_unknown
        )
        return run_sync(run)


def _channel_names(names: Sequence[str], wanted: BatchScoring | ExpressionScoring) -> list[str]:
    if isinstance(wanted, BatchScoring) or "audio" not in wanted.models or wanted.channels != "split":
        raise UsageError("Channels have names where each is scored as its own: --channels split, with v1 and its model audio.")
    if isinstance(names, str):
        raise UsageError(f"channel_names is a list of names, such as {names.split(',')!r}.")
    return [name.strip() for name in names]


def _flow(api: str | None) -> str:
    flow = DEFAULT_API if api is None else api
    if flow not in (expression.FLOW, batch.FLOW):
        raise UsageError(f"There is no API {api!r} to score with. There are: {expression.FLOW} (v1), {batch.FLOW} (v0).")
    return flow


def sources_of(
    inputs: PathLike | Iterable[PathLike], texts: PathLike | None, text_column: str | None, api: str | None
) -> list[Source]:
    """Return everything that a call names.

    Raises:
        UsageError: It names nothing, no API that there is, or what that API does not take.
    """
    flow = _flow(api)
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    sources = list(find_sources(given))
    if texts is not None:
        sources += text_sources(Path(texts), text_column)
    if not sources:
        raise UsageError(f"Nothing to score in {', '.join(str(each) for each in given) or 'no input at all'}.")
    if flow == expression.FLOW and (other := next((each for each in sources if each.kind != "file"), None)):
        what = "no texts" if other.kind == "text" else f"no URLs ({other.uri}): download it and give the file"
        raise UsageError(f"Expression Measurement v1 takes {what}. v0 did: --api batch.")
    return sources


def scoring_of(
    api: str | None,
    scoring: BatchScoring | ExpressionScoring | PathLike | None,
    models: Sequence[str] | Mapping[str, Mapping[str, Any] | None] | None,
    options: Mapping[str, Any] | None,
    transcription: Mapping[str, Any] | bool,
) -> BatchScoring | ExpressionScoring:
    """Return the settings of a scoring by an API, however they were given.

    Raises:
        SettingsError: They are not of that API, or given twice.
    """
    by_batch = _flow(api) == batch.FLOW
    if not by_batch and transcription is not True:
        raise SettingsError("Expression Measurement v1 transcribes nothing: leave out the options of a transcription.")
    if scoring is None:
        if by_batch:
            return batch_scoring(models, options=options, transcription=transcription)
        return expression_scoring(models, options=options)
    if models is not None or options or transcription is not True:
        raise SettingsError("Give the settings of the scoring either in a file or one by one, not both.")
    if isinstance(scoring, BatchScoring | ExpressionScoring):
        if isinstance(scoring, BatchScoring) != by_batch:
            raise SettingsError("These settings are of the other API than the one that shall score.")
        return scoring
    return read_scoring(Path(scoring)) if by_batch else read_expression_scoring(Path(scoring))
