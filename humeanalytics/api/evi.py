"""EVI's chat history: chats, chat groups, their events and audio, and what they ran with.

Hume's live service ended on 2026-11-13; the sandbox speaks it, and so may other servers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from humeanalytics.api.downloads import Sink
from humeanalytics.api.evi_audio import AudioWait, LinkRefused, SavedAudio, SignedDownloads, complete
from humeanalytics.api.evi_items import (
    Chat,
    ChatGroup,
    ChatGroupsPage,
    ChatsPage,
    ConfigsPage,
    Event,
    EventsPage,
    PageHead,
    PromptsPage,
    Reconstruction,
    ReconstructionsPage,
    ToolsPage,
    Version,
)
from humeanalytics.api.evi_pages import PAGE_SIZE, Page, Walk, walk_pages
from humeanalytics.api.evi_token import TokenAuth
from humeanalytics.api.http import HumeClient
from humeanalytics.api.service import Service
from humeanalytics.errors import RequestRejected
from humeanalytics.settings import Settings

__all__ = [
    "PAGE_SIZE",
    "AudioWait",
    "Chat",
    "ChatGroup",
    "Event",
    "EviApi",
    "Page",
    "Reconstruction",
    "SavedAudio",
    "Version",
    "Versions",
    "Walk",
]

_EVI = "/v0/evi"
#: Answers awaited at once: politeness, for no limit is published (contract, section 1.6).
LANES = 4
_NO_CEILING_PER_S = 1000.0
_MOST_LINKS = 3
_OLDEST_FIRST = Walk()


class EviApi(Service):
    """The history at ``settings.base_url``, with ``settings.key()``. Use with ``async with``.

    Every method raises what `humeanalytics.api.http.HumeClient` does: `ApiError` for what the service refuses (`NotFound`:
    deleted, or of another account; `ServiceDiscontinued`), `InvalidAnswer`, `ServiceUnreachable`. Lists come page by page
    (`Page`), in the order of a `Walk`, which can have each page as it came taken.

    Args:
        settings: Key, base URL, timeouts, retry policy and rate.
        with_token: Send an access token instead of the key; takes ``settings.secret_key``.
        transport: Takes the network's place, in tests.

    Attributes:
        configs, prompts, tools: What chats ran with.

    Raises:
        MissingKey: There is no key, or no secret key where one is needed.

    Examples:
        >>> async def messages(settings: Settings, chat_id: str) -> int:
        ...     async with EviApi(settings) as evi:
        ...         pages = [page async for page in evi.chat_events(chat_id)]
        ...     return sum(event.type == "USER_MESSAGE" for page in pages for event in page.items)
    """

    def __init__(
        self, settings: Settings, *, with_token: bool = False, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        auth = TokenAuth(settings) if with_token else None
        key = settings.key()
        if "requests_per_s" not in settings.model_fields_set:
            settings = settings.model_copy(update={"requests_per_s": _NO_CEILING_PER_S})
        super().__init__(HumeClient(settings, base_url=settings.base_url, key=key, transport=transport, auth=auth, lanes=LANES))
        self._files = SignedDownloads(settings, transport)
        self.configs = Versions(self._http, "configs", ConfigsPage)
        self.prompts = Versions(self._http, "prompts", PromptsPage)
        self.tools = Versions(self._http, "tools", ToolsPage)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._files.aclose()
        await super().__aexit__(kind, error, trace)

    async def check(self) -> None:
        """Ask for one chat: whether the key is taken, who answers, and what time it is there."""
        async for _ in self.chats(Walk(ascending=False, page_size=1)):
            return

    # ------------------------------------------------------------------------------------------------------------- chats
    def chats(
        self, walk: Walk = _OLDEST_FIRST, *, config_id: str | None = None, status: str | None = None
    ) -> AsyncGenerator[Page[Chat], None]:
        """Yield the account's chats, by the time they began.

        Args:
            walk: In which order, from where.
            config_id: Only chats that used this config.
            status: Only chats with this status. Chats leave and enter such a list while it is walked.
        """
        return walk_pages(self._http, f"{_EVI}/chats", ChatsPage, {"config_id": config_id, "status": status}, walk)

    def chat_events(self, chat_id: str, walk: Walk = _OLDEST_FIRST) -> AsyncGenerator[Page[Event], None]:
        """Yield the events of a chat; the head of each page tells its status and end.

        Raises:
            NotFound: There is no such chat, or no longer.
        """
        return walk_pages(self._http, _path("chats", chat_id), EventsPage, {}, walk)

    # ------------------------------------------------------------------------------------------------------------ groups
    def chat_groups(self, walk: Walk = _OLDEST_FIRST, *, config_id: str | None = None) -> AsyncGenerator[Page[ChatGroup], None]:
        """Yield the account's chat groups, by the time they began: one that is taken up again does not move.

        Args:
            walk: In which order, from where.
            config_id: Only groups whose latest chat used this config.
        """
        return walk_pages(self._http, f"{_EVI}/chat_groups", ChatGroupsPage, {"config_id": config_id}, walk)

    def chat_group(
        self, group_id: str, walk: Walk = _OLDEST_FIRST, *, status: str | None = None
    ) -> AsyncGenerator[Page[Chat], None]:
        """Yield the chats of a group; the head of each page tells how many there are and whether one runs.

        Raises:
            NotFound: There is no such group, or no longer.
        """
        return walk_pages(self._http, _path("chat_groups", group_id), ChatsPage, {"status": status}, walk)

    def chat_group_events(self, group_id: str, walk: Walk = _OLDEST_FIRST) -> AsyncGenerator[Page[Event], None]:
        """Yield the events of all chats of a group.

        Raises:
            NotFound: There is no such group, or no longer.
        """
        return walk_pages(self._http, _path("chat_groups", group_id, "events"), EventsPage, {}, walk)

    # ------------------------------------------------------------------------------------------------------------- audio
    def chat_group_audio(self, group_id: str, walk: Walk = _OLDEST_FIRST) -> AsyncGenerator[Page[Reconstruction], None]:
        """Yield how far the audio of each chat of a group is. The bytes of these pages hold signed links.

        Raises:
            NotFound: There is no such group, or no longer.
        """
        return walk_pages(self._http, _path("chat_groups", group_id, "audio"), ReconstructionsPage, {}, walk)

    async def chat_audio(self, chat_id: str) -> Reconstruction:
        """Return how far the audio of a chat is. To ask for the first time starts the work.

        Raises:
            NotFound: There is no such chat, or no longer.
        """
        return await self._http.get_json(_path("chats", chat_id, "audio"), None, Reconstruction)

    async def save_audio(self, chat_id: str, open_sink: Callable[[], Sink], wait: AudioWait | None = None) -> SavedAudio:
        """Have the audio of a chat made, wait for it, and stream it into a sink. Links that expired are replaced.

        Args:
            chat_id: Whose audio.
            open_sink: Opens the sink of one attempt. It is committed when the file is whole, else aborted.
            wait: How long to wait; by default up to 15 minutes.

        Raises:
            ItemError: The service could not make it (ERROR, CANCELLED).
            WaitTimeout: It is not done by the deadline.
            RequestRejected: One fresh link after the other does not open.
            NotFound: There is no such chat, or no longer.
        """
        for _ in range(_MOST_LINKS):
            told = await complete(chat_id, lambda: self.chat_audio(chat_id), wait or AudioWait())
            told.id = chat_id
            try:
                return await self._files.fetch(told, open_sink)
            except LinkRefused as refused:
                status = str(refused)
        raise RequestRejected(
            f"The audio of chat {chat_id} is COMPLETE, but {_MOST_LINKS} fresh links to it in a row answered {status}. Run the "
            "same command again later, and check whether a proxy is in between.",
            status=int(status),
        )


class Versions:
    """Configs, prompts or tools, with their versions."""

    def __init__(self, http: HumeClient, kind: str, page: type[PageHead]) -> None:
        self._http = http
        self._kind = kind
        self._page = page

    def all(self, walk: Walk = _OLDEST_FIRST, *, name: str | None = None) -> AsyncGenerator[Page[Version], None]:
        """Yield every version of all there are. These lists take no order."""
        params = {"restrict_to_most_recent": "false", "name": name}
        return walk_pages(self._http, f"{_EVI}/{self._kind}", self._page, params, walk, ordered=False)

    def of(self, id_: str, walk: Walk = _OLDEST_FIRST) -> AsyncGenerator[Page[Version], None]:
        """Yield every version of one.

        Raises:
            NotFound: There is none of that id, or no longer: chats outlive their configs.
        """
        params = {"restrict_to_most_recent": "false"}
        return walk_pages(self._http, _path(self._kind, id_), self._page, params, walk, ordered=False)

    async def get(self, id_: str, version: int, take: Callable[[bytes], object] | None = None) -> dict[str, Any]:
        """Return one version whole; ``take`` gets its bytes as they came.

        Raises:
            NotFound: There is no such version, or no longer: chats outlive their configs.
        """
        path = _path(self._kind, id_, "version", str(version))
        return await self._http.get_json(path, None, dict[str, Any], take)


def _path(*parts: str) -> str:
    return "/".join((_EVI, *(quote(part, safe="") for part in parts)))
