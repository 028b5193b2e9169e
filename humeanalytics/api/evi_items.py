"""What the pages of EVI's history tell, as far as walking them needs it. What else is in them is in their bytes.

Nothing is required but the list of a page: saved and odd servers leave out, empty and invent fields, and a page with one strange
item must not be lost for it.
"""

from __future__ import annotations

import msgspec


class ConfigRef(msgspec.Struct):
    """The config a chat used. Version 0 is a version."""

    id: str = ""
    version: int | None = None


class Chat(msgspec.Struct, kw_only=True):
    """A chat as a list tells it; times are as they came (milliseconds)."""

    id: str = ""
    chat_group_id: str | None = None
    status: str | None = None
    start_timestamp: int | None = None
    end_timestamp: int | None = None
    event_count: int | None = None
    config: ConfigRef | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended and the service has said when; an end of 0 is none."""
        return self.status != "ACTIVE" and bool(self.end_timestamp)


class ChatGroup(msgspec.Struct, kw_only=True):
    """A chat group as a list tells it."""

    id: str = ""
    first_start_timestamp: int | None = None
    most_recent_start_timestamp: int | None = None
    num_chats: int | None = None
    most_recent_chat_id: str | None = None
    most_recent_config: ConfigRef | None = None
    active: bool | None = None


class Event(msgspec.Struct, kw_only=True):
    """An event, by what tells it from others."""

    id: str = ""
    chat_id: str | None = None
    timestamp: int | None = None
    type: str | None = None


class Version(msgspec.Struct, kw_only=True):
    """A version of a config, a prompt or a tool."""

    id: str = ""
    version: int | None = None
    name: str | None = None


class Reconstruction(msgspec.Struct, kw_only=True):
    """How far the audio of a chat is. Its link opens the file to whoever has it: it is shown and stored nowhere."""

    id: str = ""
    user_id: str | None = None
    status: str | None = None
    filename: str | None = None
    modified_at: int | None = None
    signed_audio_url: str | None = None

    def __repr__(self) -> str:
        return f"<Reconstruction of chat {self.id}: {self.status}>"

    __str__ = __repr__


class PageHead(msgspec.Struct, kw_only=True):
    """What a page tells of itself, and of the chat or chat group whose page it is."""

    page_number: int | None = None
    page_size: int | None = None
    total_pages: int | None = None
    pagination_direction: str | None = None

    id: str = ""
    chat_group_id: str | None = None
    status: str | None = None
    start_timestamp: int | None = None
    end_timestamp: int | None = None
    first_start_timestamp: int | None = None
    most_recent_start_timestamp: int | None = None
    num_chats: int | None = None
    active: bool | None = None


class ChatsPage(PageHead, kw_only=True):
    items: list[Chat] = msgspec.field(name="chats_page")


class EventsPage(PageHead, kw_only=True):
    items: list[Event] = msgspec.field(name="events_page")


class ChatGroupsPage(PageHead, kw_only=True):
    items: list[ChatGroup] = msgspec.field(name="chat_groups_page")


class ReconstructionsPage(PageHead, kw_only=True):
    items: list[Reconstruction] = msgspec.field(name="audio_reconstructions_page")


class ConfigsPage(PageHead, kw_only=True):
    items: list[Version | None] = msgspec.field(name="configs_page")


class PromptsPage(PageHead, kw_only=True):
    items: list[Version | None] = msgspec.field(name="prompts_page")


class ToolsPage(PageHead, kw_only=True):
    items: list[Version | None] = msgspec.field(name="tools_page")
