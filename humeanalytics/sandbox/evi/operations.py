"""The history of chats and chat groups, and the configs, prompts and tools they ran with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.evi.audio import Audio
from humeanalytics.sandbox.evi.catalogue import PAGE_NAMES
from humeanalytics.sandbox.evi.history import Chat, History
from humeanalytics.sandbox.evi.pages import PREFIX, Refused, boolean, error_reply, integer, read_page_query, spring_reply, uuid
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.replies import json_reply

_Answer = Callable[[Request], dict[str, Any]]


class EviOperations:
    """Answers to requests about conversations."""

    def __init__(self, history: History, audio: Audio, clock: Clock, options: SandboxOptions, user_id: str) -> None:
        self._history = history
        self._audio = audio
        self._clock = clock
        self._options = options
        self._user_id = user_id

    def routes(self) -> list[Route]:
        answers: dict[str, _Answer] = {
            "/chats": self.list_chats,
            "/chats/{chat_id}": self.list_chat_events,
            "/chats/{chat_id}/audio": self.get_audio,
            "/chat_groups": self.list_chat_groups,
            "/chat_groups/{group_id}": self.get_chat_group,
            "/chat_groups/{group_id}/audio": self.get_group_audio,
            "/chat_groups/{group_id}/events": self.list_chat_group_events,
        }
        for kind in PAGE_NAMES:
            answers[f"/{kind}"] = answers[f"/{kind}/{{id}}"] = partial(self.list_versions, kind)
            answers[f"/{kind}/{{id}}/version/{{version}}"] = partial(self.get_version, kind)
        return [Route(PREFIX + path, self._answering(answer), methods=["GET"]) for path, answer in answers.items()]

    def _answering(self, answer: _Answer) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            due_s = time.monotonic() + self._options.evi_delay_s
            try:
                told = await asyncio.to_thread(lambda: json_reply(answer(request)))
                await asyncio.sleep(due_s - time.monotonic())
                return told
            except Refused as refused:
                if refused.status == 404 and self._options.evi_spring_errors:
                    return spring_reply(404, str(refused), request.url.path, self._clock.now_s())
                return error_reply(refused.status, str(refused))

        return endpoint

    # ------------------------------------------------------------------------------------------------------------- chats
    def list_chats(self, request: Request) -> dict[str, Any]:
        query, given, now_ms = read_page_query(request.query_params, self._options), request.query_params, self._clock.now_ms()
        chats = self._history.chats(now_ms)
        if config_id := given.get("config_id"):
            chats = self._with_config(chats, uuid(config_id, "config_id"))
        if status := given.get("status"):
            chats = [chat for chat in chats if self._history.status(chat, now_ms) == status]
        page = [self._history.told(chat, now_ms) for chat in query.page(chats)]
        return {**query.envelope(len(chats), self._options), "chats_page": page}

    def list_chat_events(self, request: Request) -> dict[str, Any]:
        query, now_ms = read_page_query(request.query_params, self._options), self._clock.now_ms()
        chat = self._chat(request, now_ms)
        events = self._history.events(chat, now_ms)
        told = self._history.told(chat, now_ms)
        envelope = query.envelope(len(events), self._options)
        told.pop("event_count")
        return {
            **{name: told.pop(name) for name in ("id", "chat_group_id", "status", "start_timestamp")},
            "pagination_direction": envelope.pop("pagination_direction"),
            "events_page": query.ordered(events.written(*query.part(len(events)))),
            **envelope,
            **told,
        }

    def get_audio(self, request: Request) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        return self._audio.told(self._chat(request, now_ms), now_ms, str(request.base_url))

    def _chat(self, request: Request, now_ms: int) -> Chat:
        chat_id = uuid(request.path_params["chat_id"], "id")
        chat = self._history.chat(chat_id, now_ms)
        if chat is None:
            raise Refused(404, f"Chat {chat_id} not found")
        return chat

    def _with_config(self, chats: list[Chat], config_id: str) -> list[Chat]:
        return [chat for chat in chats if (self._history.config(chat) or {}).get("id") == config_id]

    # ------------------------------------------------------------------------------------------------------------ groups
    def list_chat_groups(self, request: Request) -> dict[str, Any]:
        query, now_ms = read_page_query(request.query_params, self._options), self._clock.now_ms()
        groups = list(self._history.groups(now_ms).values())
        if config_id := request.query_params.get("config_id"):
            wanted = uuid(config_id, "config_id")
            groups = [chats for chats in groups if self._with_config(chats[-1:], wanted)]
        page = [self.told_group(chats, now_ms) for chats in query.page(groups)]
        return {**query.envelope(len(groups), self._options), "chat_groups_page": page}

    def told_group(self, chats: list[Chat], now_ms: int) -> dict[str, Any]:
        """Return a group as a list of groups tells it."""
        config = self._history.config(chats[-1])
        return {
            "id": chats[0].group_id,
            "first_start_timestamp": chats[0].start_ms,
            "most_recent_start_timestamp": chats[-1].start_ms,
            "active": self._is_active(chats, now_ms),
            "most_recent_chat_id": chats[-1].id,
            "num_chats": len(chats),
            **({} if config is None else {"most_recent_config": config}),
        }

    def get_chat_group(self, request: Request) -> dict[str, Any]:
        query, now_ms = read_page_query(request.query_params, self._options), self._clock.now_ms()
        everything = chats = self._group(request, now_ms)
        if status := request.query_params.get("status"):
            chats = [chat for chat in chats if self._history.status(chat, now_ms) == status]
        return {
            "id": everything[0].group_id,
            "first_start_timestamp": everything[0].start_ms,
            "most_recent_start_timestamp": everything[-1].start_ms,
            "num_chats": len(everything),
            **query.envelope(len(chats), self._options),
            "chats_page": [self._history.told(chat, now_ms) for chat in query.page(chats)],
            "active": self._is_active(everything, now_ms),
        }

    def list_chat_group_events(self, request: Request) -> dict[str, Any]:
        query, now_ms = read_page_query(request.query_params, self._options), self._clock.now_ms()
        chats = self._group(request, now_ms)
        all_events = [self._history.events(chat, now_ms) for chat in chats]
        count = sum(map(len, all_events))
        begin, end = query.part(count)
        page: list[dict[str, Any]] = []
        for events in all_events:
            page += events.written(max(begin, 0), max(end, 0))
            begin, end = begin - len(events), end - len(events)
        return {"id": chats[0].group_id, **query.envelope(count, self._options), "events_page": query.ordered(page)}

    def get_group_audio(self, request: Request) -> dict[str, Any]:
        query, now_ms = read_page_query(request.query_params, self._options), self._clock.now_ms()
        chats = self._group(request, now_ms)
        return {
            "id": chats[0].group_id,
            "user_id": self._user_id,
            "num_chats": len(chats),
            **query.envelope(len(chats), self._options),
            "audio_reconstructions_page": [self._audio.told(chat, now_ms, str(request.base_url)) for chat in query.page(chats)],
        }

    def _group(self, request: Request, now_ms: int) -> list[Chat]:
        group_id = uuid(request.path_params["group_id"], "id")
        chats = self._history.groups(now_ms).get(group_id)
        if chats is None:
            raise Refused(404, f"Chat group {group_id} not found")
        return chats

    def _is_active(self, chats: list[Chat], now_ms: int) -> bool:
        return any(self._history.status(chat, now_ms) == "ACTIVE" for chat in chats)

    # ----------------------------------------------------------------------------------------- configs, prompts and tools
    def list_versions(self, kind: str, request: Request) -> dict[str, Any]:
        given = request.query_params
        query = read_page_query({**given, "ascending_order": "true"}, self._options)
        versions = self._history.catalogue.kinds[kind]
        if "id" in request.path_params:
            wanted = uuid(request.path_params["id"], "id")
            versions = [version for version in versions if version["id"] == wanted]
            if not versions:
                raise Refused(404, f"{kind.removesuffix('s')} {wanted} not found")
        if name := given.get("name"):
            versions = [version for version in versions if version["name"] == name]
        if boolean(given.get("restrict_to_most_recent", "true"), "restrict_to_most_recent"):
            versions = list({version["id"]: version for version in versions}.values())
        envelope = query.envelope(len(versions), self._options)
        envelope.pop("pagination_direction")
        return {**envelope, PAGE_NAMES[kind]: query.page(versions)}

    def get_version(self, kind: str, request: Request) -> dict[str, Any]:
        wanted = uuid(request.path_params["id"], "id")
        number = integer(request.path_params["version"], "version")
        for version in self._history.catalogue.kinds[kind]:
            if (version["id"], version["version"]) == (wanted, number):
                return version
        raise Refused(404, f"{kind.removesuffix('s')} {wanted} has no version {number}")
