"""Take saved chats of EVI into a lake: all that a call's files tell of one chat together, whole batches of chats at a time."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from humeanalytics.errors import ItemError, LakeError
from humeanalytics.jobs.answers import SAVED
from humeanalytics.jobs.bookkeeping import utc
from humeanalytics.jobs.chat_loads import ChatLoads
from humeanalytics.jobs.chat_payloads import ChatPayload, batches, keep_payload
from humeanalytics.jobs.export_pages import API
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.progress import Progress
from humeanalytics.jobs.saved_files import limits_of, opened_parts, uri_of_part
from humeanalytics.jobs.saved_inputs import SavedInput
from humeanalytics.jobs.saved_payloads import unread
from humeanalytics.jobs.saved_work import Unread
from humeanalytics.jobs.summary import RunSummary
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawStore
from humeanalytics.settings import Settings


@dataclass(frozen=True, slots=True)
class Beside:
    """What came of the rest of an input with chats in it: whether something failed, and whether something was new."""

    failed: bool
    loaded: bool


@dataclass(slots=True)
class _Input:
    """An input, and how many batches are still to come with something of it."""

    saved: SavedInput
    beside: Beside
    payloads: list[ChatPayload] = field(default_factory=list)
    errors: list[Unread] = field(default_factory=list)
    fresh: bool = False


def take_chats(
    lake: Lake,
    ledger: Ledger,
    inputs: Mapping[SavedInput, Beside],
    summary: RunSummary,
    progress: Progress,
    settings: Settings,
    *,
    keep_raw: bool,
    uncounted: Collection[SavedInput] = (),
) -> set[str]:
    """Read saved chats, and load what the lake does not know of them.

    Everything is read twice: once to see which chats there are, for pages of one may lie in many files, in any order; then batch
    by batch, so that no more than a batch is held.

    Args:
        lake: The lake.
        ledger: Remembers what was read.
        inputs: Saved inputs that have chats in them.
        summary: Where to count.
        progress: Where to tell how far it is.
        settings: What archives may hold.
        keep_raw: Keep what was read under raw/ too, so that tables can be rebuilt.
        uncounted: Inputs that are counted and remembered elsewhere: there are also words in them.

    Returns:
        The chats that were met.
    """
    if not inputs:
        return set()
    with _store(lake, keep_raw) as store:
        known = _known_places(lake)
        read = list(_looked_at(lake, store, inputs, known, summary, progress, settings))
        payloads = [payload for each in read for payload in each.payloads]
        chats = {chat_id for payload in payloads for chat_id in payload.chats}
        loads = ChatLoads(lake, store, summary, chats, known, keep_raw=keep_raw)
        loads.add_errors([error for each in read for error in each.errors])
        divided = batches(payloads)
        left = Counter(id(payload) for batch in divided for payload in batch.payloads)
        waiting = read
        for number, batch in enumerate(divided, start=1):
            fresh = loads.load(batch)
            left.subtract(id(payload) for payload in batch.payloads)
            for each in waiting:
                each.fresh = each.fresh or any(payload.place in fresh for payload in each.payloads)
            done = [each for each in waiting if not any(left[id(payload)] for payload in each.payloads)]
            _record(ledger, done, summary, uncounted)
            waiting = [each for each in waiting if any(left[id(payload)] for payload in each.payloads)]
            progress.stage("chats", number, len(divided))
        _record(ledger, waiting, summary, uncounted)
        loads.conclude()
    return loads.met


@contextmanager
def _store(lake: Lake, keep_raw: bool) -> Iterator[RawStore]:
    """Yield where payloads are kept while they are read: for good, or for as long as it takes."""
    if keep_raw:
        yield RawStore(lake.raw.folder, sync_later=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield RawStore(Path(folder), sync_later=True)


def _looked_at(
    lake: Lake,
    store: RawStore,
    inputs: Mapping[SavedInput, Beside],
    known: Collection[tuple[str, str]],
    summary: RunSummary,
    progress: Progress,
    settings: Settings,
) -> Iterator[_Input]:
    """Keep the payloads of each input, and see which chats they tell of."""
    received_at, nth = datetime.now(UTC), 0
    for number, (saved, beside) in enumerate(inputs.items(), start=1):
        each = _Input(saved, beside)
        saved_at = datetime.fromtimestamp(saved.mtime_ns / 1e9, UTC)
        try:
            with opened_parts(saved, limits_of(settings)) as parts:
                for part in parts:
                    if not part.is_evi:
                        continue
                    uri, nth = uri_of_part(saved.uri, part), nth + 1
                    try:
                        with part.open() as stream:
                            payload = keep_payload(store, stream, uri=uri, received_at=received_at, saved_at=saved_at, nth=nth)
                        each.payloads.append(_as_first_seen(lake, payload) if payload.place in known else payload)
                        summary.kinds["EVI payloads"] += 1
                    except LakeError:
                        raise
                    except (ItemError, OSError, MemoryError) as error:
                        each.errors.append(unread(uri, error))
        except LakeError:
            raise
        except (ItemError, OSError) as error:
            if not beside.failed:  # else that was told when the rest of it was read
                each.errors.append(unread(saved.uri, error))
        yield each
        progress.stage("look", number, len(inputs))


def _known_places(lake: Lake) -> set[tuple[str, str]]:
    columns = ("response_id", "uri", "api", "origin")
    rows = (row for table in lake.stored("responses", columns) for row in table.to_pylist())
    return {(row["response_id"], row["uri"]) for row in rows if (row["api"], row["origin"]) == (API, SAVED)}


def _as_first_seen(lake: Lake, payload: ChatPayload) -> ChatPayload:
    """Return a payload that was met before at the same place with the time it had then: touching a file tells nothing new."""
    before = [utc(meta.get("saved_at")) for meta in lake.raw.metas(payload.response_id) if meta.get("uri") == payload.uri]
    return replace(payload, seen_at=before[0]) if before else payload


def _record(ledger: Ledger, done: Sequence[_Input], summary: RunSummary, uncounted: Collection[SavedInput]) -> None:
    """Count inputs of which everything is in the lake, and remember them."""
    counted = [each for each in done if each.saved not in uncounted]
    for each in counted:
        failed = each.beside.failed or bool(each.errors)
        became = "failed" if failed else "loaded" if each.fresh or each.beside.loaded else "known"
        summary.files[became] += 1
    ledger.record_saved((each.saved, each.beside.failed or bool(each.errors)) for each in counted)
