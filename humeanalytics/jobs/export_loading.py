"""Put chats that were read into the lake: whole, many of them in one load, every event once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from humeanalytics.api.evi import Chat, SavedAudio
from humeanalytics.jobs.bookkeeping import Row, error_row, load_rows, of_ms, table_of
from humeanalytics.jobs.export_pages import API, KeptPage
from humeanalytics.jobs.load_content import load_id_of
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawResponse, RawStore
from humeanalytics.recordings import chat_recording_id, item_id
from humeanalytics.tables.evi import EviBook, FlattenedEvi


@dataclass(frozen=True, slots=True)
class ReadChat:
    """A chat and the pages of its events.

    Attributes:
        listed, item: What the list told of it, if it was in one.
        pages: Its events.
        is_over: Whether it had ended when they were read.
        is_new: Whether it was not known before.
    """

    chat_id: str
    listed: Chat | None
    item: Mapping[str, Any] | None
    pages: Sequence[KeptPage]
    is_over: bool
    is_new: bool


class ChatLoader:
    """Loads what was read. Not for several threads at once."""

    def __init__(self, lake: Lake, raw: RawStore, origin: str, run_id: str, *, embeddings: bool = False) -> None:
        self._lake, self._raw, self._origin, self._run_id, self._embeddings = lake, raw, origin, run_id, embeddings
        self.rows_loaded: Counter[str] = Counter()
        self.errors: list[Row] = []

    def load(self, chats: Sequence[ReadChat], others: Sequence[KeptPage] = ()) -> None:
        """Commit chats, and pages of groups, configs, prompts and tools, as one load."""
        pages = [*others, *(page for chat in chats for page in chat.pages)]
        if not pages:
            return
        # Of this run: a load that was taken back after a kill may not come again, and the same pages may.
        load_id = load_id_of((page.kept.response_id for page in pages), (self._run_id, *(chat.chat_id for chat in chats)))
        book = EviBook(origin=self._origin)
        for chat in chats:
            if chat.item is not None and chat.pages:
                book.read_values([chat.item], name=f"chat {chat.chat_id}", seen_at=chat.pages[-1].seen_at)
        for page in pages:
            book.read(page.data, name=page.uri, seen_at=page.seen_at, is_clean=page.is_clean)
        flattened = book.finish(load_id=load_id, embeddings=self._embeddings)
        tables: dict[str, pa.Table] = {name: table for name, table in flattened.tables.items() if table.num_rows}
        tables["responses"] = table_of("responses", _once([page.response_row(self._origin) for page in pages]), load_id)
        self._raw.sync()
        errors = [*self._problems(flattened), *self._miscounts(chats, flattened)]
        beside = {"items": [self._item_row(chat) for chat in chats if chat.is_new], "errors": errors}
        load_rows(self._lake, beside, flow=API, run_id=self._run_id)
        members = {"kind": "chats", "chats": [chat.chat_id for chat in chats]}
        counts = self._lake.loads.commit_all(load_id, flow=API, run_id=self._run_id, members=members, tables=tables)
        self.rows_loaded.update({name: rows for name, rows in counts.items() if name != "responses"})
        self.errors += errors

    def load_audio(self, saved: SavedAudio, kept: RawResponse) -> None:
        """Say where the sound of a chat lies."""
        self._raw.sync()
        row = {
            "recording_id": chat_recording_id(saved.chat_id),
            "scoring_id": saved.sha256[:32],
            "chat_id": saved.chat_id,
            "status": "COMPLETE",
            "filename": saved.filename,
            "modified_at": of_ms(saved.modified_at),
            "modified_at_raw": saved.modified_at,
            "path": kept.path,
            "sha256": saved.sha256,
            "size_bytes": saved.size_bytes,
            "seen_at": datetime.now(UTC),
        }
        load_rows(self._lake, {"chat_audio": [row]}, flow=API, run_id=self._run_id)
        self.rows_loaded["chat_audio"] += 1

    def add_error(self, chat_id: str | None, message: str, error: str) -> None:
        """Write down that a chat, or something of it, could not be had."""
        row = self._error(chat_id, message, error)
        load_rows(self._lake, {"errors": [row]}, flow=API, run_id=self._run_id)
        self.errors.append(row)

    def _problems(self, flattened: FlattenedEvi) -> list[Row]:
        return [
            self._error(problem.chat_id, f"{problem.message} (event {problem.event_id})" if problem.event_id else problem.message)
            for problem in flattened.problems
        ]

    def _miscounts(self, chats: Sequence[ReadChat], flattened: FlattenedEvi) -> list[Row]:
        """Return an error for each chat that is over and has another number of events than Hume counts."""
        read = {chat.chat_id: chat.events for chat in flattened.chats}
        found = []
        for chat in chats:
            counted = chat.listed.event_count if chat.listed else None
            if chat.is_over and counted and counted != read.get(chat.chat_id, 0):
                message = f"Hume counts {counted:,} events in chat {chat.chat_id}; {read.get(chat.chat_id, 0):,} could be read."
                found.append(self._error(chat.chat_id, message, "CountDiffers"))
        return found

    def _item_row(self, chat: ReadChat) -> Row:
        uri, recording_id = uri_of_chat(self._origin, chat.chat_id), chat_recording_id(chat.chat_id)
        listed = chat.listed
        began, ended = (listed.start_timestamp, listed.end_timestamp) if listed else (None, None)
        return {
            "item_id": item_id(uri, recording_id),
            "recording_id": recording_id,
            "uri": uri,
            "name": chat.chat_id,
            "media_type": "chat",
            "duration_s": (ended - began) / 1000 if began and ended else None,
            "recorded_at": of_ms(began),
            "recorded_at_source": "hume" if began else None,
            "excluded_reason": None,
            "seen_at": chat.pages[-1].seen_at if chat.pages else None,
        }

    def _error(self, chat_id: str | None, message: str, error: str = "UnreadableResponse") -> Row:
        return error_row(
            stage="flatten" if error == "UnreadableResponse" else "export",
            message=message,
            error=error,
            run_id=self._run_id,
            api=API,
            uri=None if chat_id is None else uri_of_chat(self._origin, chat_id),
            recording_id=None if chat_id is None else chat_recording_id(chat_id),
        )


def uri_of_chat(origin: str, chat_id: str) -> str:
    """Return how tables call the place of a chat.

    >>> uri_of_chat("api.hume.ai", "1f3a")
    'evi://api.hume.ai/chats/1f3a'
    """
    return f"evi://{origin}/chats/{chat_id}"


def _once(rows: Sequence[Row]) -> list[Row]:
    return list({(row["response_id"], row["uri"]): row for row in rows}.values())
