"""Put chats that were read into the lake: whole, many of them in one load, every event once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from humeanalytics.api.evi import SavedAudio
from humeanalytics.jobs.bookkeeping import Row, error_row, load_rows, of_ms
from humeanalytics.jobs.chat_labels import label_rows
from humeanalytics.jobs.export_pages import API
from humeanalytics.jobs.export_tables import ReadChat, Tables
from humeanalytics.jobs.saved_known import items_by_chat
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawResponse
from humeanalytics.recordings import chat_recording_id, item_id
from humeanalytics.tables.evi import Problem


class ChatLoader:
    """Loads what was read. Not for several threads at once."""

    def __init__(self, lake: Lake, origin: str, run_id: str, *, labels: Mapping[str, str] | None = None) -> None:
        self._lake, self._origin, self._run_id = lake, origin, run_id
        self._labels = dict(labels or {})
        self._known_items: defaultdict[str, list[str]] | None = None
        self.chats_loaded: set[str] = set()
        self.rows_loaded: Counter[str] = Counter()
        self.errors: list[Row] = []

    def load(self, made: Tables, chats: Sequence[ReadChat] = ()) -> None:
        """Commit tables as one load.

        Args:
            made: The tables.
            chats: The chats that are in them.
        """
        errors = [*self._problems(made.problems), *self._miscounts(chats, made.events)]
        load_rows(self._lake, {**self._items(chats), "errors": errors}, flow=API, run_id=self._run_id)
        members = {"kind": "chats", "chats": [chat.chat_id for chat in chats]}
        counts = self._lake.loads.commit_all(made.load_id, flow=API, run_id=self._run_id, members=members, tables=made.tables)
        self.rows_loaded.update({name: rows for name, rows in counts.items() if name != "responses"})
        self.errors += errors
        self.chats_loaded |= {chat.chat_id for chat in chats}

    def load_audio(self, saved: SavedAudio, kept: RawResponse) -> None:
        """Say where the sound of a chat lies, which is on disk."""
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

    def _problems(self, problems: Sequence[Problem]) -> list[Row]:
        return [
            self._error(problem.chat_id, f"{problem.message} (event {problem.event_id})" if problem.event_id else problem.message)
            for problem in problems
        ]

    def _miscounts(self, chats: Sequence[ReadChat], read: Mapping[str, int]) -> list[Row]:
        """Return an error for each chat that is over and has another number of events than Hume counts."""
        found = []
        for chat in chats:
            counted = chat.listed.event_count if chat.listed else None
            if chat.is_over and counted and counted != read.get(chat.chat_id, 0):
                message = f"Hume counts {counted:,} events in chat {chat.chat_id}; {read.get(chat.chat_id, 0):,} could be read."
                found.append(self._error(chat.chat_id, message, "CountDiffers"))
        return found

    def _items(self, chats: Sequence[ReadChat]) -> dict[str, list[Row]]:
        """Return items of chats that have none yet (one that was saved by somebody has), and labels of all."""
        if self._known_items is None:
            self._known_items = items_by_chat(self._lake)
        known = self._known_items
        new = [self._item_row(chat) for chat in chats if chat.is_new and not known[chat_recording_id(chat.chat_id)]]
        for row in new:
            known[row["recording_id"]].append(row["item_id"])
        of_items = {each: self._labels for chat in chats for each in known[chat_recording_id(chat.chat_id)]}
        return {"items": new, "labels": label_rows(self._lake, of_items) if self._labels else []}

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
