"""What a test asks of the conversations, under ``/sandbox/evi``: all there is, and changes to it. No key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from uuid import uuid4

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.evi import webhooks
from humeanalytics.sandbox.evi.audio import Audio
from humeanalytics.sandbox.evi.history import Chat, History
from humeanalytics.sandbox.evi.operations import EviOperations
from humeanalytics.sandbox.evi.store import EviStore
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.replies import json_reply, refusal

_PATH = "/sandbox/evi"
#: Type of an event -> whose it usually is; of all others the system's.
_ROLES = {
    "USER_MESSAGE": "USER",
    "USER_INTERRUPTION": "USER",
    "PAUSE_ONSET": "USER",
    "RESUME_ONSET": "USER",
    "AGENT_MESSAGE": "AGENT",
    "ASSISTANT_PROSODY": "AGENT",
    "FUNCTION_CALL": "TOOL",
    "FUNCTION_CALL_RESPONSE": "TOOL",
}
_SLICE = 500


class EviControl:
    """The control of one sandbox's conversations; the embedded one has it as ``sandbox.evi``."""

    def __init__(
        self,
        history: History,
        operations: EviOperations,
        audio: Audio,
        store: EviStore,
        clock: Clock,
        options: SandboxOptions,
    ) -> None:
        self._history = history
        self._operations = operations
        self._audio = audio
        self._store = store
        self._clock = clock
        self._options = options

    def routes(self) -> list[Route]:
        one = _PATH + "/chats/{chat_id}"
        return [
            Route(_PATH, self._answering(lambda request, body: self.truth()), methods=["GET"]),
            Route(f"{_PATH}/events", self._get_events, methods=["GET"]),
            Route(f"{_PATH}/chats", self._answering(lambda request, body: self.add_chat(**body)), methods=["POST"]),
            Route(one, self._answering(self._post_change), methods=["POST"]),
            Route(one, self._answering(lambda request, body: self.delete_chat(_id(request))), methods=["DELETE"]),
            Route(f"{one}/events", self._answering(lambda request, body: self.add_events(_id(request), body)), methods=["POST"]),
            Route(f"{_PATH}/webhooks", self._answering(lambda request, body: self.send_webhook(**body)), methods=["POST"]),
        ]

    # ------------------------------------------------------------------------------------------------------------- truth
    def truth(self) -> dict[str, Any]:
        """Return all there is now, but the events: ``now_ms, chats, chat_groups, configs, prompts, tools``, oldest first."""
        now_ms = self._clock.now_ms()
        groups = self._history.groups(now_ms).values()
        return {
            "now_ms": now_ms,
            "chats": [self._history.told(chat, now_ms) for chat in self._history.chats(now_ms)],
            "chat_groups": [self._operations.told_group(chats, now_ms) for chats in groups],
            **self._history.catalogue.kinds,
        }

    def events(self, chat_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the events there are now, of one chat or of all, in order.

        Raises:
            KeyError: There is no such chat.
        """
        now_ms = self._clock.now_ms()
        for chat in self._history.chats(now_ms) if chat_id is None else [self._find(chat_id)]:
            events = self._history.events(chat, now_ms)
            for begin in range(0, len(events), _SLICE):
                yield from events.written(begin, begin + _SLICE)

    # ----------------------------------------------------------------------------------------------------------- changes
    def add_chat(self, events: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
        """Add a chat, and return it as it is told.

        Args:
            events: Its events, there from the start; see `add_events`.
            fields: Fields of the chat. Without: it begins now, runs, and has a group of its own. ``event_count`` is counted
                unless it is given.

        Raises:
            ValueError: There is a chat with this id, or was.
        """
        now_ms = self._clock.now_ms()
        chat = {"id": str(uuid4()), "chat_group_id": str(uuid4()), "start_timestamp": now_ms, **fields}
        if chat["id"] in self._history.ids():
            raise ValueError(f"There is a chat {chat['id']} already.")
        self._store.add_events(chat["id"], self._whole(chat["id"], events or []))  # first: the chat is never seen without
        self._store.add_chat(chat)
        self._history.chats_changed()
        return self._told(chat["id"])

    def add_events(self, chat_id: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add events to a chat and return them whole. Only ``type`` is needed; without a timestamp they happen now.

        Raises:
            KeyError: There is no such chat.
        """
        self._find(chat_id)
        whole = self._whole(chat_id, events)
        self._store.add_events(chat_id, whole)
        return whole

    def _whole(self, chat_id: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        whole = []
        for event in events:
            type_ = event.get("type", "USER_MESSAGE")
            blank = {
                "id": str(uuid4()),
                "chat_id": chat_id,
                "timestamp": self._clock.now_ms(),
                "role": _ROLES.get(type_, "SYSTEM"),
                "type": type_,
                "message_text": None,
                "emotion_features": None,
                "metadata": None,
            }
            whole.append(blank | event)
        return whole

    def change_chat(self, chat_id: str, audio: str | None = None, **fields: Any) -> dict[str, Any]:
        """Change fields of a chat (``status``, ``end_timestamp``, ...), or how its audio ends, and return it as it is told.

        Raises:
            KeyError: There is no such chat.
            ValueError: Audio cannot end like this.
        """
        self._find(chat_id)
        if audio is not None:
            self._audio.settle(chat_id, audio)
        if fields:
            self._store.change(chat_id, fields)
        return self._told(chat_id)

    def delete_chat(self, chat_id: str) -> dict[str, Any]:
        """Delete a chat: it is in no list any more.

        Raises:
            KeyError: There is no such chat.
        """
        self._find(chat_id)
        self._store.delete(chat_id)
        return {"deleted": chat_id}

    def send_webhook(
        self,
        url: str,
        event_name: str,
        chat_id: str,
        key: str | None = None,
        age_s: float = 0.0,
        body: str | None = None,
    ) -> dict[str, Any]:
        """Send the webhook of an event of a chat, signed, and return ``status, body, timestamp, signature``.

        Args:
            url: Where to; on this machine.
            event_name: ``chat_started``, ``chat_ended`` or ``tool_call``.
            chat_id: Of which chat.
            key: What to sign with; that of the options by default.
            age_s: How long ago it says it was signed.
            body: Send this instead, signed all the same.

        Raises:
            KeyError: There is no such chat.
            ValueError: There is no such event, or the URL is somewhere else.
            httpx.HTTPError: Nobody answers.
        """
        now_ms = self._clock.now_ms()
        if body is None:
            payload = webhooks.payload(self._history, self._find(chat_id), event_name, now_ms)
            body = msgspec.json.encode(payload).decode()
        timestamp = str(int(now_ms / 1000 - age_s))
        key = self._options.evi_signing_key if key is None else key
        status = webhooks.deliver(url, body.encode(), timestamp, key)
        signature = webhooks.signature_of(body.encode(), timestamp, key)
        return {"status": status, "body": body, "timestamp": timestamp, "signature": signature}

    def _find(self, chat_id: str) -> Chat:
        chat = self._history.chat(chat_id, self._clock.now_ms())
        if chat is None:
            raise KeyError(chat_id)
        return chat

    def _told(self, chat_id: str) -> dict[str, Any]:
        chat = self._history.chat(
            chat_id, max(self._clock.now_ms(), self._store.chats.get(chat_id, {}).get("start_timestamp", 0))
        )
        assert chat is not None
        return self._history.told(chat, self._clock.now_ms())

    # -------------------------------------------------------------------------------------------------------------- HTTP
    def _answering(self, act: Callable[[Request, Any], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            try:
                body = msgspec.json.decode(await request.body() or b"{}")
                return json_reply(await asyncio.to_thread(act, request, body))
            except KeyError as error:
                return refusal(404, f"no chat {error.args[0]}")
            except httpx.HTTPError as error:
                return refusal(502, str(error))
            except (ValueError, TypeError) as error:
                return refusal(400, str(error))

        return endpoint

    def _post_change(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        return self.change_chat(_id(request), **body)

    async def _get_events(self, request: Request) -> Response:
        try:
            events = self.events(request.query_params.get("chat_id"))
            first = await asyncio.to_thread(lambda: list(islice(events, _SLICE)))
        except KeyError as error:
            return refusal(404, f"no chat {error.args[0]}")

        def lines() -> Iterator[bytes]:
            part = first
            while part:
                yield msgspec.json.Encoder().encode_lines(part)
                part = list(islice(events, _SLICE))

        return StreamingResponse(lines(), media_type="application/x-ndjson")


def _id(request: Request) -> str:
    return str(request.path_params["chat_id"])
