"""What a sandbox remembers of its chats beyond what follows from its seed: an SQLite file, and the same in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from humeanalytics.sandbox.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chats (number INTEGER PRIMARY KEY, chat_id TEXT NOT NULL UNIQUE, chat TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, chat_id TEXT NOT NULL, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (chat_id TEXT PRIMARY KEY, change TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deleted (chat_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS audio (chat_id TEXT PRIMARY KEY, asked INTEGER, polls INTEGER NOT NULL, outcome TEXT);
"""


class EviStore:
    """What tests added, changed and deleted, which audio was asked for, and when the sandbox first opened.

    Attributes:
        chats: Chats that were added, by id.
        events: Events that were added, by the id of their chat, in order.
        changes: Fields of chats that were changed, by id.
        deleted: Ids of chats that were deleted.
        audio: When a chat's audio was first asked for (Unix ms), how often, and how it is to end if that was settled.
    """

    def __init__(self, folder: Path, now_ms: int) -> None:
        self._db = Database(folder / "evi.sqlite", _SCHEMA)
        with self._db.writing() as db:
            db.execute("INSERT OR IGNORE INTO facts VALUES ('opened', ?)", (str(now_ms),))
        self.opening_ms = int(self._db.read("SELECT value FROM facts WHERE name = 'opened'")[0][0])
        self.chats: dict[str, dict[str, Any]] = {
            chat_id: json.loads(chat) for chat_id, chat in self._db.read("SELECT chat_id, chat FROM chats ORDER BY number")
        }
        self.events: dict[str, list[dict[str, Any]]] = {}
        for chat_id, event in self._db.read("SELECT chat_id, event FROM events ORDER BY number"):
            self.events.setdefault(chat_id, []).append(json.loads(event))
        self.changes: dict[str, dict[str, Any]] = {
            chat_id: json.loads(change) for chat_id, change in self._db.read("SELECT chat_id, change FROM changes")
        }
        self.deleted: set[str] = {chat_id for (chat_id,) in self._db.read("SELECT chat_id FROM deleted")}
        self.audio: dict[str, tuple[int | None, int, str | None]] = {
            chat_id: (asked, polls, outcome)
            for chat_id, asked, polls, outcome in self._db.read("SELECT chat_id, asked, polls, outcome FROM audio")
        }

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add_chat(self, chat: dict[str, Any]) -> None:
        with self._db.writing() as db:
            db.execute("INSERT INTO chats (chat_id, chat) VALUES (?, ?)", (chat["id"], json.dumps(chat)))
        self.chats[chat["id"]] = chat

    def add_events(self, chat_id: str, events: list[dict[str, Any]]) -> None:
        rows = [(chat_id, json.dumps(event)) for event in events]
        with self._db.writing() as db:
            db.executemany("INSERT INTO events (chat_id, event) VALUES (?, ?)", rows)
        self.events.setdefault(chat_id, []).extend(events)

    def change(self, chat_id: str, change: dict[str, Any]) -> None:
        changed = {**self.changes.get(chat_id, {}), **change}
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO changes VALUES (?, ?)", (chat_id, json.dumps(changed)))
        self.changes[chat_id] = changed

    def delete(self, chat_id: str) -> None:
        with self._db.writing() as db:
            db.execute("INSERT OR IGNORE INTO deleted VALUES (?)", (chat_id,))
        self.deleted.add(chat_id)

    def set_audio(self, chat_id: str, asked: int | None, polls: int, outcome: str | None) -> None:
        with self._db.writing() as db:
            db.execute("INSERT OR REPLACE INTO audio VALUES (?, ?, ?, ?)", (chat_id, asked, polls, outcome))
        self.audio[chat_id] = (asked, polls, outcome)
