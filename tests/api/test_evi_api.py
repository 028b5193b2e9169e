"""The client of EVI's history: what it sends, and what becomes of the answers, held against the sandbox's own truth."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.api.evi import EviApi, Page, Walk
from humeanalytics.errors import AuthenticationFailed, InvalidAnswer, MissingKey, NotFound, RequestRejected, ServiceDiscontinued
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.settings import load_settings

Use = Callable[[EviApi], Awaitable[Any]]
Handler = Callable[[httpx.Request], httpx.Response]
AFTER_ALL_S = 3600.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(options=SandboxOptions(evi_chats=60, evi_running=0)) as running:
        yield running


@pytest.fixture
def call(make_settings: Any) -> Callable[..., Any]:
    """Run ``use(evi)`` against a handler in the network's place."""

    def call(use: Use, handle: Handler, **changes: Any) -> Any:
        async def run() -> Any:
            transport = httpx.MockTransport(handle)
            async with EviApi(make_settings(base_url="https://hume.example", **changes), transport=transport) as evi:
                return await use(evi)

        return asyncio.run(run())

    return call


def ask(settings: Any, use: Use, **options: Any) -> Any:
    async def run() -> Any:
        async with EviApi(settings, **options) as evi:
            return await use(evi)

    return asyncio.run(run())


async def items(pages: Any) -> list[Any]:
    return [item async for page in pages for item in page.items]


async def ids(pages: Any) -> list[str]:
    return [item.id for item in await items(pages)]


# ---------------------------------------------------------------------------------------------- equal to the sandbox's truth
@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("size", [9, 100])
def test_every_list_equals_the_truth(sandbox: Sandbox, ascending: bool, size: int) -> None:
    truth, way = sandbox.evi.truth(), 1 if ascending else -1
    walk = Walk(ascending=ascending, page_size=size)

    async def use(evi: EviApi) -> None:
        chats = await items(evi.chats(walk))
        assert [chat.id for chat in chats] == [chat["id"] for chat in truth["chats"]][::way]
        for chat, told in zip(chats, truth["chats"][::way], strict=True):
            for name in ("chat_group_id", "status", "start_timestamp", "end_timestamp", "event_count"):
                assert getattr(chat, name) == told[name]
            assert (chat.config and (chat.config.id, chat.config.version)) == (
                told["config"] and (told["config"]["id"], told["config"]["version"])
            )
            assert chat.is_over
        groups = await items(evi.chat_groups(walk))
        assert [(group.id, group.num_chats) for group in groups] == [
            (group["id"], group["num_chats"]) for group in truth["chat_groups"]
        ][::way]
        for chat in truth["chats"][:20]:
            wanted = [event["id"] for event in sandbox.evi.events(chat["id"])][::way]
            pages = [page async for page in evi.chat_events(chat["id"], walk)]
            assert [event.id for page in pages for event in page.items] == wanted
            assert len(pages) == max(-(-len(wanted) // size), 1)  # not one request past the end
            assert {(page.ascending, page.head.status, page.head.id) for page in pages} == {
                (ascending, chat["status"], chat["id"])
            }
        for group in truth["chat_groups"][:20]:
            of_group = [chat["id"] for chat in truth["chats"] if chat["chat_group_id"] == group["id"]]
            assert await ids(evi.chat_group(group["id"], walk)) == of_group[::way]
            events = [event["id"] for chat_id in of_group for event in sandbox.evi.events(chat_id)]
            assert await ids(evi.chat_group_events(group["id"], walk)) == events[::way]
            assert await ids(evi.chat_group_audio(group["id"], walk)) == of_group[::way]

    ask(sandbox.settings, use)


def test_configs_prompts_and_tools_with_all_versions(sandbox: Sandbox) -> None:
    truth = sandbox.evi.truth()

    async def use(evi: EviApi) -> None:
        for kind in ("configs", "prompts", "tools"):
            versions = getattr(evi, kind)
            found = await items(versions.all(Walk(page_size=2)))
            assert [(one.id, one.version) for one in found] == [(one["id"], one["version"]) for one in truth[kind]]
            of_one = await items(versions.of(found[0].id))
            assert [one.version for one in of_one] == [one.version for one in found if one.id == found[0].id]
            assert await versions.get(found[0].id, 0) == truth[kind][0]
            (named,) = {one.id for one in await items(versions.all(name=found[0].name))}
            assert named == found[0].id
        with pytest.raises(NotFound):
            await evi.configs.get(truth["configs"][0]["id"], 99)

    ask(sandbox.settings, use)


def test_filters(sandbox: Sandbox) -> None:
    truth = sandbox.evi.truth()
    config_id = next(chat["config"]["id"] for chat in truth["chats"] if chat["config"])

    async def use(evi: EviApi) -> None:
        wanted = [chat["id"] for chat in truth["chats"] if (chat["config"] or {}).get("id") == config_id]
        assert await ids(evi.chats(config_id=config_id)) == wanted
        wanted = [chat["id"] for chat in truth["chats"] if chat["status"] == "ERROR"]
        assert await ids(evi.chats(status="ERROR")) == wanted
        groups = await items(evi.chat_groups(config_id=config_id))
        assert {group.most_recent_config.id for group in groups} == {config_id}

    ask(sandbox.settings, use)


def test_the_bytes_of_every_page_are_given(sandbox: Sandbox) -> None:
    taken: list[tuple[int, bytes]] = []

    async def use(evi: EviApi) -> list[str]:
        return await ids(evi.chats(Walk(page_size=25, from_page=1, take=lambda *page: taken.append(page))))

    found = ask(sandbox.settings, use)
    assert [number for number, _ in taken] == [1, 2]
    with httpx.Client(base_url=sandbox.url, headers={"X-Hume-Api-Key": "k"}) as plain:
        for number, data in taken:
            asked = {"page_number": number, "page_size": 25, "ascending_order": "true"}
            assert plain.get("/v0/evi/chats", params=asked).content == data
    assert found == [chat["id"] for _, data in taken for chat in json.loads(data)["chats_page"]]


def test_chats_that_begin_and_grow_while_they_are_read() -> None:
    options = SandboxOptions(evi_chats=10, evi_running=3, evi_new_chats=40, evi_new_every_s=0.01, evi_pace=400.0)
    with Sandbox(options=options) as sandbox:

        async def use(evi: EviApi) -> None:
            for ascending in (True, False):
                before = [chat["id"] for chat in sandbox.evi.truth()["chats"]]
                found = await ids(evi.chats(Walk(ascending=ascending, page_size=2)))
                assert set(before) <= set(found)
                if ascending:
                    assert found == list(dict.fromkeys(found))
                    assert found[: len(before)] == before
            chat_id = sandbox.evi.add_chat()["id"]
            seen: list[str] = []
            async for page in evi.chat_events(chat_id, Walk(page_size=1)):  # of a list that grows with every page read
                seen += [event.id for event in page.items]
                if len(seen) < 20:
                    sandbox.evi.add_events(chat_id, [{"type": "USER_MESSAGE"}] * 2)
                if page.is_last:
                    break
            sandbox.advance_clock(AFTER_ALL_S)
            truth = sandbox.evi.truth()
            assert len(truth["chats"]) == 54
            chats = await items(evi.chats(Walk(page_size=7)))
            assert [(chat.id, chat.event_count) for chat in chats] == [
                (chat["id"], chat["event_count"]) for chat in truth["chats"]
            ]
            for chat in chats:
                assert await ids(evi.chat_events(chat.id)) == [event["id"] for event in sandbox.evi.events(chat.id)]

        ask(sandbox.settings, use)


def test_a_chat_deleted_between_list_and_read() -> None:
    with Sandbox(options=SandboxOptions(evi_running=0)) as sandbox:

        async def use(evi: EviApi) -> None:
            chat, *_ = await items(evi.chats())
            sandbox.evi.delete_chat(chat.id)
            with pytest.raises(NotFound) as gone:
                await items(evi.chat_events(chat.id))
            assert gone.value.status == 404
            assert chat.id in str(gone.value)
            assert chat.id not in await ids(evi.chats())

        ask(sandbox.settings, use)


def test_new_fields_types_and_nulls_pass() -> None:
    with Sandbox(options=SandboxOptions(evi_running=0, evi_new_fields=True)) as sandbox:

        async def use(evi: EviApi) -> set[str | None]:
            chats = await items(evi.chats())
            return {event.type for chat in chats for event in await items(evi.chat_events(chat.id))}

        assert "GESTURE_ONSET" in ask(sandbox.settings, use)


# -------------------------------------------------------------------------------------------------------------- faults
def test_faults_on_the_way_lose_and_double_nothing(make_settings: Any) -> None:
    with Sandbox(options=SandboxOptions(evi_chats=40, evi_running=0)) as sandbox:
        sandbox.set_faults(
            [
                {"path": "/v0/evi/*", "status": 429, "retry_after": 0.01, "probability": 0.15, "seed": 1},
                {"path": "/v0/evi/*", "status": 503, "html": True, "probability": 0.1, "seed": 2},
                {"path": "/v0/evi/*", "drop_before": True, "probability": 0.1, "seed": 3},
                {"path": "/v0/evi/*", "truncate": 0.5, "probability": 0.1, "seed": 4},
            ]
        )

        async def use(evi: EviApi) -> None:
            chats = await ids(evi.chats(Walk(page_size=3)))
            assert chats == [chat["id"] for chat in sandbox.evi.truth()["chats"]]
            for chat_id in chats[:10]:
                wanted = [event["id"] for event in sandbox.evi.events(chat_id)]
                assert await ids(evi.chat_events(chat_id, Walk(page_size=10))) == wanted

        # the limiter halves its rate with every 429, so it starts high
        ask(make_settings(base_url=sandbox.url, retry_deadline_s=20.0), use)


def test_only_what_is_a_page_is_given(call: Any) -> None:
    taken: list[tuple[int, bytes]] = []
    bodies = [b'{"chats_page": [', b'{"message": "no page"}', b"<html>"]

    async def use(evi: EviApi) -> None:
        with pytest.raises(InvalidAnswer):
            await items(evi.chats(Walk(take=lambda *page: taken.append(page))))

    for body in bodies:
        call(use, lambda request, body=body: httpx.Response(200, content=body), retry_deadline_s=0.05)
    assert taken == []


# --------------------------------------------------------------------------------------------------------------- walks
def server_of(count: int, **quirks: Any) -> tuple[Handler, list[dict[str, str]]]:
    """A server with so many chats, and the queries it got; ``quirks`` replace fields of its pages."""
    asked: list[dict[str, str]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        asked.append(params)
        number, size = int(params["page_number"]), int(params["page_size"])
        chats = [{"id": str(one)} for one in range(count)]
        if params["ascending_order"] == "false":
            chats.reverse()
        page = {
            "page_number": number,
            "page_size": size,
            "total_pages": -(-count // size),
            "pagination_direction": "ASC" if params["ascending_order"] == "true" else "DESC",
            "chats_page": chats[number * size : (number + 1) * size],
        }
        return httpx.Response(200, json={name: value for name, value in {**page, **quirks}.items() if value != "absent"})

    return handle, asked


@given(
    count=st.integers(0, 30), size=st.integers(1, 12), ascending=st.booleans(), total=st.sampled_from(["told", "absent", 0, -1])
)
def test_a_walk_gives_each_item_once_whatever_is_told_of_the_end(count: int, size: int, ascending: bool, total: Any) -> None:
    quirks = {} if total == "told" else {"total_pages": total}
    handle, asked = server_of(count, **quirks)

    async def run() -> list[str]:
        settings = load_settings(api_key="k-3f9c1d77aa0e", base_url="https://hume.example", requests_per_s=1e6)
        async with EviApi(settings, transport=httpx.MockTransport(handle)) as evi:
            return await ids(evi.chats(Walk(ascending=ascending, page_size=size)))

    wanted = [str(one) for one in range(count)]
    assert asyncio.run(run()) == (wanted if ascending else wanted[::-1])
    pages = -(-count // size)
    assert len(asked) == (max(pages, 1) if total == "told" else pages + 1)
    assert {query["ascending_order"] for query in asked} == {"true" if ascending else "false"}


def test_the_direction_told_is_believed(call: Any) -> None:
    handle, _ = server_of(3, pagination_direction="ASC")

    async def use(evi: EviApi) -> Page[Any]:
        (page,) = [page async for page in evi.chats(Walk(ascending=False))]
        return page

    assert call(use, handle).ascending is True


@pytest.mark.parametrize(
    "quirks", [{"page_number": 0}, {"chats_page": [{"id": "a"}], "total_pages": 99, "page_number": "absent"}]
)
def test_a_list_that_never_gets_further_is_no_list(call: Any, quirks: dict[str, Any]) -> None:
    handle, asked = server_of(30, **quirks)

    async def use(evi: EviApi) -> None:
        with pytest.raises(InvalidAnswer, match="cannot be read to its end"):
            await items(evi.chats(Walk(page_size=10)))

    call(use, handle)
    assert len(asked) == 2


def test_newest_first_a_page_may_come_twice(call: Any) -> None:
    """As many items as a page holds were added while it was read."""
    answers = iter([["3", "2"], ["3", "2"], ["1", "0"]])

    def handle(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page_number"])
        page = [{"id": one} for one in next(answers)]
        return httpx.Response(
            200, json={"page_number": number, "total_pages": 3, "pagination_direction": "DESC", "chats_page": page}
        )

    async def use(evi: EviApi) -> list[str]:
        return await ids(evi.chats(Walk(ascending=False, page_size=2)))

    assert call(use, handle) == ["3", "2", "3", "2", "1", "0"]


def test_ids_cannot_leave_their_path(call: Any) -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"events_page": []})

    async def use(evi: EviApi) -> None:
        await items(evi.chat_events("../configs?x=1"))

    call(use, handle)
    assert seen[0].startswith("/v0/evi/chats/..%2Fconfigs%3Fx%3D1?")


# --------------------------------------------------------------------------------------------------------- credentials
def test_check_knows_who_answers(sandbox: Sandbox) -> None:
    async def use(evi: EviApi) -> tuple[str, bool | None]:
        await evi.check()
        return evi.origin, evi.synthetic

    assert ask(sandbox.settings, use) == ("sandbox/7", True)


def test_what_is_refused(call: Any) -> None:
    async def use(evi: EviApi) -> None:
        await evi.check()

    with pytest.raises(AuthenticationFailed):
        call(use, lambda request: httpx.Response(401, json={}))
    with pytest.raises(RequestRejected, match="page_size"):
        call(use, lambda request: httpx.Response(400, json={"message": "page_size must be between 1 and 100"}))
    with pytest.raises(ServiceDiscontinued, match="2026-11-13"):
        call(use, lambda request: httpx.Response(403, json={"message": "This API has been discontinued."}))


def test_tokens_are_given_used_and_renewed_in_time() -> None:
    with Sandbox(api_key="a-key-of-ours") as sandbox:
        settings = load_settings(**{**sandbox.settings.model_dump(exclude_none=True), "secret_key": "a-secret-of-ours"})

        async def use(evi: EviApi) -> None:
            for _ in range(3):
                await asyncio.gather(*(evi.check() for _ in range(8)))
                sandbox.advance_clock(1801)  # the server finds it expired before the client does

        ask(settings, use, with_token=True)

        async def refused(evi: EviApi) -> None:
            with pytest.raises(AuthenticationFailed, match="HUME_SECRET_KEY"):
                await evi.check()

        other = load_settings(**{**settings.model_dump(exclude_none=True), "api_key": "another-key"})
        ask(other, refused, with_token=True)
        with pytest.raises(MissingKey, match="HUME_SECRET_KEY"):
            EviApi(sandbox.settings, with_token=True)


def test_no_token_in_errors_and_logs(caplog: pytest.LogCaptureFixture, sandbox: Sandbox) -> None:
    caplog.set_level(logging.DEBUG)
    settings = load_settings(**{**sandbox.settings.model_dump(exclude_none=True), "secret_key": "a-secret-of-ours"})

    async def use(evi: EviApi) -> None:
        await evi.check()
        with pytest.raises(NotFound):
            await items(evi.chat_events("6375d4f8-cd3e-4d6b-b13b-ace66b7c8aaa"))

    ask(settings, use, with_token=True)
    assert "Bearer" not in caplog.text
    assert "a-secret-of-ours" not in caplog.text
