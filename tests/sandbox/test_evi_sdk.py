"""The official Python SDK, unchanged, walks every list of conversations to its end; every page is parsed by its own types."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hume import HumeClient
from hume.core.api_error import ApiError
from hume.empathic_voice.errors.bad_request_error import BadRequestError
from hume.empathic_voice.types import (
    ReturnChat,
    ReturnChatAudioReconstruction,
    ReturnChatEvent,
    ReturnChatGroup,
    ReturnConfig,
    ReturnPrompt,
    ReturnUserDefinedTool,
)

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

TYPES = {
    *("SYSTEM_PROMPT", "USER_MESSAGE", "AGENT_MESSAGE", "USER_INTERRUPTION", "FUNCTION_CALL", "FUNCTION_CALL_RESPONSE"),
    *("CHAT_START_MESSAGE", "CHAT_END_MESSAGE", "USER_RECORDING_START_MESSAGE", "PAUSE_ONSET", "RESUME_ONSET"),
    *("ASSISTANT_PROSODY", "SESSION_SETTINGS"),
}
STATUSES = {"ACTIVE", "USER_ENDED", "USER_TIMEOUT", "MAX_DURATION_TIMEOUT", "INACTIVITY_TIMEOUT", "ERROR", "SILENCE_TIMEOUT"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    # one chat that hardly moves, so that a status is ACTIVE and nothing changes under the test
    with Sandbox(options=SandboxOptions(evi_running=1, evi_pace=0.001, evi_audio_queue_s=0, evi_audio_run_s=0)) as running:
        yield running


@pytest.fixture
def evi(sandbox: Sandbox) -> Any:
    return HumeClient(api_key="any", base_url=sandbox.url).empathic_voice


def plain(model: Any) -> dict[str, Any]:
    return json.loads(model.json())  # type: ignore[no-any-return]


def told(truth: dict[str, Any]) -> dict[str, Any]:
    """The truth as a model of the SDK gives it back: what is null and what is missing are one."""
    return {name: value for name, value in truth.items() if value is not None}


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("size", [7, 100])
def test_every_list_of_conversations(sandbox: Sandbox, evi: Any, ascending: bool, size: int) -> None:
    how = {"ascending_order": ascending, "page_size": size}
    truth = sandbox.evi.truth()
    way = 1 if ascending else -1

    chats = list(evi.chats.list_chats(**how))
    assert all(isinstance(chat, ReturnChat) for chat in chats)
    assert [chat.id for chat in chats] == [chat["id"] for chat in truth["chats"]][::way]
    assert {chat.status for chat in chats} == STATUSES
    found = {chat.id: chat for chat in chats}
    for chat in truth["chats"]:
        assert found[chat["id"]].event_count == chat["event_count"]
        assert found[chat["id"]].end_timestamp == chat["end_timestamp"]

    groups = list(evi.chat_groups.list_chat_groups(**how))
    assert all(isinstance(group, ReturnChatGroup) for group in groups)
    assert [group.id for group in groups] == [group["id"] for group in truth["chat_groups"]][::way]
    assert max(group.num_chats for group in groups) > 1
    assert [group.active for group in groups].count(True) == 1

    seen = set()
    for chat in truth["chats"]:
        events = list(evi.chats.list_chat_events(chat["id"], **how))
        assert all(isinstance(event, ReturnChatEvent) for event in events)
        assert [told(plain(event)) for event in events] == [told(event) for event in sandbox.evi.events(chat["id"])][::way]
        assert len(events) == chat["event_count"]
        seen |= {event.type for event in events}
    assert seen == TYPES

    for group in truth["chat_groups"]:
        of_group = [chat for chat in truth["chats"] if chat["chat_group_id"] == group["id"]]
        page = evi.chat_groups.get_chat_group(group["id"], **how)
        assert [chat.id for chat in page.chats_page] == [chat["id"] for chat in of_group][::way][:size]
        assert page.num_chats == len(of_group)
        events = list(evi.chat_groups.list_chat_group_events(group["id"], **how))
        everything = [event["id"] for chat in of_group for event in sandbox.evi.events(chat["id"])]
        assert [event.id for event in events] == everything[::way]


def test_filters(sandbox: Sandbox, evi: Any) -> None:
    truth = sandbox.evi.truth()
    config_id = next(chat["config"]["id"] for chat in truth["chats"] if chat["config"])
    chats = list(evi.chats.list_chats(config_id=config_id))
    assert {chat.config.id for chat in chats} == {config_id}
    assert len(chats) == sum((chat["config"] or {}).get("id") == config_id for chat in truth["chats"])
    assert {chat.status for chat in evi.chats.list_chats(status="ERROR")} == {"ERROR"}
    groups = list(evi.chat_groups.list_chat_groups(config_id=config_id))
    assert {group.most_recent_config.id for group in groups} == {config_id}


@pytest.mark.parametrize(
    ("kind", "model"), [("configs", ReturnConfig), ("prompts", ReturnPrompt), ("tools", ReturnUserDefinedTool)]
)
def test_configs_prompts_and_tools(sandbox: Sandbox, evi: Any, kind: str, model: type) -> None:
    truth = sandbox.evi.truth()[kind]
    noun = getattr(evi, kind)
    everything = list(getattr(noun, f"list_{kind}")(restrict_to_most_recent=False, page_size=3))
    assert all(isinstance(version, model) for version in everything)
    assert [(one.id, one.version) for one in everything] == [(one["id"], one["version"]) for one in truth]
    newest = {one["id"]: one["version"] for one in truth}
    assert {one.id: one.version for one in getattr(noun, f"list_{kind}")()} == newest
    some = max(newest, key=lambda id_: newest[id_])
    versions = getattr(noun, f"list_{kind[:-1]}_versions")(some, restrict_to_most_recent=False)
    found = versions.prompts_page if kind == "prompts" else list(versions)
    assert [one.version for one in found] == list(range(newest[some] + 1))
    assert getattr(noun, f"get_{kind[:-1]}_version")(some, 0).name == next(one["name"] for one in truth if one["id"] == some)


def test_a_deleted_config_leaves_its_chats(sandbox: Sandbox, evi: Any) -> None:
    known = {config["id"] for config in sandbox.evi.truth()["configs"]}
    gone = {chat.config.id for chat in evi.chats.list_chats() if chat.config} - known
    assert gone
    with pytest.raises(ApiError) as refused:
        evi.configs.get_config_version(gone.pop(), 0)
    assert refused.value.status_code == 404


def test_audio(sandbox: Sandbox, evi: Any) -> None:
    group = max(sandbox.evi.truth()["chat_groups"], key=lambda group: group["num_chats"])
    audio = evi.chat_groups.get_audio(group["id"])
    assert audio.num_chats == group["num_chats"] == len(audio.audio_reconstructions_page)
    chat_id = audio.audio_reconstructions_page[0].id
    deadline = time.monotonic() + 10
    while (one := evi.chats.get_audio(chat_id)).status != "COMPLETE":
        assert time.monotonic() < deadline
    assert isinstance(one, ReturnChatAudioReconstruction)
    assert one.filename == f"{one.user_id}/{chat_id}/reconstructed_audio.mp4"
    assert one.signed_url_expiration_timestamp_millis > one.modified_at


def test_what_is_refused(evi: Any) -> None:
    with pytest.raises(BadRequestError) as refused:
        list(evi.chats.list_chats(page_size=101))
    assert refused.value.body.message == "page_size must be between 1 and 100"
    with pytest.raises(ApiError) as unknown:
        list(evi.chats.list_chat_events("6375d4f8-cd3e-4d6b-b13b-ace66b7c8aaa"))
    assert unknown.value.status_code == 404
