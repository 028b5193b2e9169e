"""Audio reconstruction: asked for, queued, worked on, done; and the signed URL it is then served from."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import threading
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.evi.history import Chat, History
from humeanalytics.sandbox.evi.recording import reconstructed
from humeanalytics.sandbox.evi.store import EviStore
from humeanalytics.sandbox.options import SandboxOptions

#: Where files lie; a signature opens them, not a key.
STORAGE_PATH = "/storage"
OUTCOMES = ("COMPLETE", "ERROR", "CANCELLED", "IN_PROGRESS")
_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"
_STAMP = "%Y%m%dT%H%M%SZ"


class Audio:
    """The audio of chats.

    Args:
        history: The chats.
        store: What was asked for.
        clock: What time it is.
        options: How long it takes and how it ends.
        user_id: Whose chats they are.
    """

    def __init__(self, history: History, store: EviStore, clock: Clock, options: SandboxOptions, user_id: str) -> None:
        if options.evi_audio_outcome not in OUTCOMES:
            raise ValueError(f"evi_audio_outcome must be one of {', '.join(OUTCOMES)}, not {options.evi_audio_outcome!r}.")
        self._history = history
        self._store = store
        self._clock = clock
        self._options = options
        self._user_id = user_id
        self._secret = hashlib.sha256(f"{user_id}/{store.opening_ms}".encode()).digest()
        self._lock = threading.Lock()
        self._sound = lru_cache(maxsize=8)(self._reconstruct)

    def routes(self) -> list[Route]:
        return [Route(STORAGE_PATH + "/{user_id}/{chat_id}/reconstructed_audio.mp4", self.get_file, methods=["GET"])]

    def told(self, chat: Chat, now_ms: int, base_url: str) -> dict[str, Any]:
        """Return how far the audio of a chat is. The first to ask starts it."""
        asked_ms, polls, outcome = self._note(chat.id, now_ms)
        status = self._status(chat, asked_ms, polls, outcome or self._options.evi_audio_outcome, now_ms)
        told: dict[str, Any] = {"id": chat.id, "user_id": self._user_id, "status": status}
        told |= dict.fromkeys(("filename", "modified_at", "signed_audio_url", "signed_url_expiration_timestamp_millis"))
        if status == "COMPLETE":
            filename = f"{self._user_id}/{chat.id}/reconstructed_audio.mp4"
            url, expires_ms = self._signed(filename, now_ms)
            told |= {
                "filename": filename,
                "modified_at": asked_ms + round((self._options.evi_audio_queue_s + self._options.evi_audio_run_s) * 1000),
                "signed_audio_url": base_url.rstrip("/") + url,
                "signed_url_expiration_timestamp_millis": expires_ms,
            }
        return told

    def settle(self, chat_id: str, outcome: str) -> None:
        """Say how the reconstruction of a chat ends.

        Raises:
            ValueError: It cannot end like this.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"Audio ends in one of {', '.join(OUTCOMES)}, not in {outcome!r}.")
        with self._lock:
            asked_ms, polls, _ = self._store.audio.get(chat_id, (None, 0, None))
            self._store.set_audio(chat_id, asked_ms, polls, outcome)

    def _note(self, chat_id: str, now_ms: int) -> tuple[int, int, str | None]:
        with self._lock:
            known_ms, polls, outcome = self._store.audio.get(chat_id, (None, 0, None))
            asked_ms = now_ms if known_ms is None else known_ms
            if known_ms is None or self._options.evi_audio_polls is not None:
                self._store.set_audio(chat_id, asked_ms, polls + 1, outcome)
            return asked_ms, polls + 1, outcome

    def _status(self, chat: Chat, asked_ms: int, polls: int, outcome: str, now_ms: int) -> str:
        if self._history.status(chat, now_ms) == "ACTIVE":  # a guess: what is not over yet has to wait
            return "QUEUED"
        if self._options.evi_audio_polls is not None:
            share = (polls - 1) / max(self._options.evi_audio_polls, 1)
            queued, over = polls == 1 and self._options.evi_audio_polls > 0, share >= 1 or self._options.evi_audio_polls == 0
        else:
            waited_s = (now_ms - asked_ms) / 1000
            queued = waited_s < self._options.evi_audio_queue_s
            over = waited_s >= self._options.evi_audio_queue_s + self._options.evi_audio_run_s
        return "QUEUED" if queued else outcome if over else "IN_PROGRESS"

    # ----------------------------------------------------------------------------------------------------------- storage
    def _signed(self, filename: str, now_ms: int) -> tuple[str, int]:
        signed_s, lives_s = now_ms // 1000, math.ceil(self._options.evi_audio_url_s)
        stamp = datetime.fromtimestamp(signed_s, UTC).strftime(_STAMP)
        path = f"{STORAGE_PATH}/{filename}"
        signature = self._signature(path, stamp, str(lives_s))
        query = f"X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Date={stamp}&X-Goog-Expires={lives_s}&X-Goog-Signature={signature}"
        return f"{path}?{query}", (signed_s + lives_s) * 1000

    def _signature(self, path: str, stamp: str, lives_s: str) -> str:
        return hmac.new(self._secret, f"{path}\n{stamp}\n{lives_s}".encode(), hashlib.sha256).hexdigest()

    async def get_file(self, request: Request) -> Response:
        given = request.query_params
        stamp, lives_s = given.get("X-Goog-Date", ""), given.get("X-Goog-Expires", "")
        wanted = self._signature(request.url.path, stamp, lives_s)
        if not hmac.compare_digest(wanted.encode(), given.get("X-Goog-Signature", "").encode()):
            return _storage_error(403, "SignatureDoesNotMatch", "Access denied.")
        signed = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        if self._clock.now_s() >= (signed + timedelta(seconds=int(lives_s))).timestamp():
            return _storage_error(400, "ExpiredToken", "The provided token has expired.")
        chat = self._history.chat(request.path_params["chat_id"], self._clock.now_ms())
        if chat is None:
            return _storage_error(404, "NoSuchKey", "The specified key does not exist.")
        sound = await asyncio.to_thread(self._sound, chat.id)
        return Response(sound, media_type="application/octet-stream")  # as the contract warns: not to be trusted

    def _reconstruct(self, chat_id: str) -> bytes:
        chat = self._history.chat(chat_id, self._clock.now_ms())
        return reconstructed(self._history.talk(chat.plan) if chat and chat.plan else None)


def _storage_error(status: int, code: str, message: str) -> Response:
    return Response(_ERROR.format(code, message), status, media_type="application/xml")
