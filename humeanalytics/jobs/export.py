"""The verb `export_chats`: the history of EVI's conversations, brought into a lake and kept up to date."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from humeanalytics.api.blocking import in_thread
from humeanalytics.api.evi import EviApi
from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.jobs.chat_labels import ChatManifest, label_chats, read_chat_manifest
from humeanalytics.jobs.export_choice import ExportChoice, ids_of, moment_ms
from humeanalytics.jobs.export_flow import ExportFlow
from humeanalytics.jobs.export_pages import API
from humeanalytics.jobs.flow import begin_at, end_run, open_flow
from humeanalytics.jobs.progress import Progress, show_progress
from humeanalytics.jobs.running import run_sync
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import Settings, load_settings


def export_chats(
    lake: Lake | str | os.PathLike[str] | None = None,
    *,
    since: str | date | datetime | None = None,
    until: str | date | datetime | None = None,
    config: str | None = None,
    chat: str | Sequence[str] | None = None,
    group: str | Sequence[str] | None = None,
    audio: bool = False,
    embeddings: bool = False,
    manifest: str | os.PathLike[str] | None = None,
    on: str | None = None,
    labels: Mapping[str, str] | None = None,
    with_token: bool = False,
    settings: Settings | None = None,
    lock_wait_s: float = 0.0,
    progress: bool = False,
) -> RunSummary:
    """Bring chats into a lake: all of them the first time, then what is new or has changed.

    The first export lists chats oldest first, each later one newest first, until it meets what is known. A chat that runs, that
    ended less than ten minutes before it was read, or of which the list tells something new is read again. A chat is in the
    lake whole or not at all; they come in batches, and after a kill the same call goes on. Hume's own service ended on
    2026-11-13: ``settings.base_url`` names whoever speaks its protocol.

    Args:
        lake: The lake.
        since, until: Only chats that began from, and before, then. Without a time zone: UTC.
        config: Only chats that used this config.
        chat: These chats and no others, by id.
        group: The chats of these groups, by id.
        audio: Also have the sound of each chat made, and fetch it.
        embeddings: Also keep the 768 numbers of each stretch of speech in ``chat_segments``.
        manifest: A CSV that ties labels to chats; each row labels all chats in the lake (or of those chosen) that it fits.
        on: The column that names them: ``chat_id``, ``chat_group_id`` or ``custom_session_id``. Default: the first of these
            that the manifest has.
        labels: Labels for the chats that this call reads, or chooses.
        with_token: Use an access token instead of the key; takes ``settings.secret_key``.
        settings: Key, host and limits. Default: from the environment (`load_settings`).
        lock_wait_s: How long to wait for another export into this lake, in seconds.
        progress: Show progress.

    Returns:
        Chats by what became of them, new rows by table, and errors.

    Raises:
        LakeLocked: Another export into this lake runs.
        UsageError: ``since`` or ``until`` is no time, or the manifest names no chats.
        ApiError, ServiceUnreachable: The service cannot be asked. What was read is in the lake.

    Examples:
        >>> import humeanalytics as ha
        >>> with ha.Sandbox() as hume:  # doctest: +SKIP
        ...     ha.export_chats("lake", settings=hume.settings)
    """
    choice = ExportChoice(moment_ms(since), moment_ms(until), config, ids_of(chat), ids_of(group), audio, embeddings)
    said = _Said(None if manifest is None else read_chat_manifest(manifest, on), dict(labels or {}))
    with show_progress(progress) as shown:
        return run_sync(_export(lake, choice, said, settings or load_settings(), lock_wait_s, shown, with_token=with_token))


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of chats."""

    manifest: ChatManifest | None
    labels: Mapping[str, str]


async def _export(
    lake: Lake | str | os.PathLike[str] | None,
    choice: ExportChoice,
    said: _Said,
    settings: Settings,
    lock_wait_s: float,
    progress: Progress,
    *,
    with_token: bool,
) -> RunSummary:
    begun = time.monotonic()
    settings.key()
    ended: BaseException | None = None
    with open_flow(lake, API, "export", settings, lock_wait_s) as (opened, ledger, run_id):
        summary = RunSummary("export", opened.uri, run_id)
        async with EviApi(settings, with_token=with_token) as api:
            await begin_at(api, opened, ledger, summary)
            flow = ExportFlow(opened, ledger, api, choice, run_id, progress, labels=said.labels)
            try:
                await flow.run()
            except (HumeAnalyticsError, asyncio.CancelledError) as error:
                ended = error
        if not isinstance(ended, asyncio.CancelledError):
            chats = flow.loader.chats_loaded | (flow.chosen or set())
            await in_thread(lambda: label_chats(opened, said.manifest, said.labels, chats, summary, flow=API, among=flow.chosen))
        summary.chats, summary.rows = flow.counts, flow.loader.rows_loaded
        for row in flow.loader.errors:
            summary.add_error(row["uri"], row["message"])
        summary.exit_code = 3 if flow.loader.errors else 0
        if ended is not None:
            summary.exit_code = ended.exit_code if isinstance(ended, HumeAnalyticsError) else 75
        end_run(opened, ledger, summary, API, begun)
    if ended is not None:
        if isinstance(ended, HumeAnalyticsError):
            ended.add_note(str(summary))
        raise ended
    return summary
