"""Audio of chats: waited for with patience and an end, fetched without the key, and its links nowhere to be found."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import av
import httpx
import pytest

from humeanalytics.api.evi import AudioWait, EviApi
from humeanalytics.api.evi_audio import complete, suffix_of
from humeanalytics.api.evi_items import Reconstruction
from humeanalytics.errors import InvalidAnswer, ItemError, NotFound, RequestRejected, ServerFailed, WaitTimeout
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

QUICK = AudioWait(first_s=0.01, cap_s=0.05, deadline_s=5.0)
LINK = "https://storage.example/a/b/reconstructed_audio.mp4?X-Goog-Signature=5ec7e7"
MP4 = b"\0\0\0\x20ftypisom" + bytes(1000)


@pytest.fixture
def sandbox_with() -> Iterator[Callable[..., tuple[Sandbox, str]]]:
    """``sandbox, chat_id = sandbox_with(evi_audio_polls=3)``."""
    running: list[Sandbox] = []

    def make(**options: Any) -> tuple[Sandbox, str]:
        sandbox = Sandbox(options=SandboxOptions(evi_running=0, **options))
        sandbox.start()
        running.append(sandbox)
        return sandbox, sandbox.evi.truth()["chats"][0]["id"]

    yield make
    for sandbox in running:
        sandbox.close()


def save(settings: Any, chat_id: str, open_sink: Any, wait: AudioWait = QUICK, **options: Any) -> Any:
    async def run() -> Any:
        async with EviApi(settings, **options) as evi:
            return await evi.save_audio(chat_id, open_sink, wait)

    return asyncio.run(run())


# ------------------------------------------------------------------------------------------------------- with the sandbox
def test_audio_is_made_waited_for_and_saved(
    sandbox_with: Any, make_settings: Any, sinks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox, chat_id = sandbox_with(evi_audio_polls=4)
    opened, open_sink = sinks
    saved = save(make_settings(base_url=sandbox.url), chat_id, open_sink)
    (sink,) = opened
    assert sink.ended == ["commit"]
    assert (saved.chat_id, saved.size_bytes, saved.suffix) == (chat_id, len(sink.data), ".mp4")
    assert saved.sha256 == hashlib.sha256(sink.data).hexdigest()
    assert saved.filename.endswith(f"{chat_id}/reconstructed_audio.mp4")
    with av.open(io.BytesIO(sink.data)) as container:
        assert container.streams.audio
    assert "reconstructed_audio.mp4" in caplog.text  # httpx tells what it fetched
    assert "X-Goog" not in caplog.text
    assert "X-Goog" not in repr(saved)


def test_downloads_survive_faults(sandbox_with: Any, make_settings: Any, sinks: Any) -> None:
    sandbox, chat_id = sandbox_with()
    sandbox.set_faults(
        [
            {"path": "/storage/*", "drop_before": True, "times": 1},
            {"path": "/storage/*", "status": 503, "times": 1},
            {"path": "/storage/*", "truncate": 0.4, "times": 1},
        ]
    )
    opened, open_sink = sinks
    saved = save(make_settings(base_url=sandbox.url), chat_id, open_sink)
    assert [sink.ended for sink in opened] == [["abort"], ["commit"]]
    assert saved.size_bytes == len(opened[-1].data) > len(opened[0].data)


def test_an_expired_link_is_replaced(sandbox_with: Any, make_settings: Any, sinks: Any) -> None:
    sandbox, chat_id = sandbox_with(evi_audio_queue_s=0.0, evi_audio_run_s=0.0)
    opened, open_sink = sinks
    settings = make_settings(base_url=sandbox.url)
    asked = 0

    class Late(EviApi):
        """Lets its first two links lie for more than an hour."""

        async def chat_audio(self, chat_id: str) -> Reconstruction:
            nonlocal asked
            told = await super().chat_audio(chat_id)
            if told.status == "COMPLETE" and (asked := asked + 1) <= 2:
                sandbox.advance_clock(3700)
            return told

    async def run() -> Any:
        async with Late(settings) as evi:
            return await evi.save_audio(chat_id, open_sink, QUICK)

    assert asyncio.run(run()).size_bytes == len(opened[-1].data)
    assert asked == 3
    assert len(opened) == 1


@pytest.mark.parametrize("outcome", ["ERROR", "CANCELLED"])
def test_audio_that_cannot_be_made(sandbox_with: Any, make_settings: Any, sinks: Any, outcome: str) -> None:
    sandbox, chat_id = sandbox_with(evi_audio_outcome=outcome)
    opened, open_sink = sinks
    with pytest.raises(ItemError, match=outcome) as failed:
        save(make_settings(base_url=sandbox.url), chat_id, open_sink)
    assert failed.value.item == chat_id
    assert opened == []


def test_audio_that_never_ends(sandbox_with: Any, make_settings: Any, sinks: Any) -> None:
    sandbox, chat_id = sandbox_with(evi_audio_outcome="IN_PROGRESS")
    with pytest.raises(WaitTimeout, match=f"{chat_id} is still IN_PROGRESS after 0.3 s"):
        save(make_settings(base_url=sandbox.url), chat_id, sinks[1], AudioWait(first_s=0.05, deadline_s=0.3))


def test_a_chat_that_is_gone(sandbox_with: Any, make_settings: Any, sinks: Any) -> None:
    sandbox, chat_id = sandbox_with()
    sandbox.evi.delete_chat(chat_id)
    with pytest.raises(NotFound):
        save(make_settings(base_url=sandbox.url), chat_id, sinks[1])


# ------------------------------------------------------------------------------------------------------------- waiting
def test_waits_grow_up_to_a_cap_and_end() -> None:
    now_s, waits, asked = 0.0, list[float](), 0

    async def sleep(delay_s: float) -> None:
        nonlocal now_s
        waits.append(delay_s)
        now_s += delay_s

    async def ask() -> Reconstruction:
        nonlocal asked
        asked += 1
        return Reconstruction(id="c", status="QUEUED" if asked < 3 else "REHEARSING")  # one nobody has heard of is no end

    with pytest.raises(WaitTimeout, match="REHEARSING after 900 s"):
        asyncio.run(complete("c", ask, AudioWait(), clock=lambda: now_s, sleep=sleep))
    assert waits[:3] == [2.0, 3.0, 4.5]
    assert max(waits) == 30.0
    assert now_s == 900.0
    assert asked == len(waits) + 1  # once more when time is up


# --------------------------------------------------------------------------------------------------------- other servers
def served(files: Any, link: str | None = LINK) -> tuple[Any, list[httpx.Request]]:
    """A server whose audio is COMPLETE at once, and the requests for files; ``files`` answers those."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host == "hume.example":
            assert "X-Hume-Api-Key" in request.headers
            return httpx.Response(200, json={"id": "c", "user_id": "u", "status": "COMPLETE", "signed_audio_url": link})
        asked.append(request)
        answer: httpx.Response = files(len(asked))
        return answer

    return httpx.MockTransport(handle), asked


@pytest.fixture
def settings(make_settings: Any) -> Any:
    return make_settings(base_url="https://hume.example")


def test_the_key_does_not_go_to_the_storage(settings: Any, sinks: Any) -> None:
    transport, asked = served(lambda number: httpx.Response(200, content=MP4, headers={"Content-Type": "text/plain"}))
    assert save(settings, "c", sinks[1], transport=transport).suffix == ".mp4"
    (request,) = asked
    assert str(request.url) == LINK
    assert not {"x-hume-api-key", "authorization"} & set(request.headers)
    assert settings.key() not in str(request.headers)


@pytest.mark.parametrize("page", [b"<?xml version='1.0'?><Error/>", b'{"error": 1}', b""])
def test_a_page_is_no_sound(make_settings: Any, sinks: Any, page: bytes) -> None:
    settings = make_settings(base_url="https://hume.example", retry_deadline_s=0.05)
    transport, _ = served(lambda number: httpx.Response(200, content=page))
    opened, open_sink = sinks
    with pytest.raises(InvalidAnswer) as refused:
        save(settings, "c", open_sink, transport=transport)
    assert {tuple(sink.ended) for sink in opened} == {("abort",)}
    assert "5ec7e7" not in str(refused.value)


@pytest.mark.parametrize("link", [None, "", "file:///etc/passwd", "http://[::1", "reconstructed.mp4"])
def test_a_link_that_is_none(settings: Any, sinks: Any, link: str | None) -> None:
    transport, asked = served(lambda number: httpx.Response(200, content=MP4), link)
    with pytest.raises(InvalidAnswer, match="without a link"):
        save(settings, "c", sinks[1], transport=transport)
    assert asked == []


def test_links_that_never_open(settings: Any, sinks: Any) -> None:
    transport, asked = served(lambda number: httpx.Response(403))
    with pytest.raises(RequestRejected, match="answered 403") as refused:
        save(settings, "c", sinks[1], transport=transport)
    assert len(asked) == 3
    assert "5ec7e7" not in str(refused.value)


def test_a_storage_that_is_down(make_settings: Any, sinks: Any) -> None:
    transport, asked = served(lambda number: httpx.Response(500))
    settings = make_settings(base_url="https://hume.example", retry_deadline_s=0.05)
    with pytest.raises(ServerFailed) as failed:
        save(settings, "c", sinks[1], transport=transport)
    assert len(asked) > 1
    assert "5ec7e7" not in str(failed.value) + failed.value.url


def test_a_full_disk_is_not_the_network(settings: Any) -> None:
    class Full:
        def write(self, data: bytes, /) -> None:
            raise OSError(28, "No space left on device")

        def commit(self) -> None:
            raise AssertionError

        def abort(self) -> None:
            pass

    transport, asked = served(lambda number: httpx.Response(200, content=MP4))
    with pytest.raises(OSError, match="No space left"):
        save(settings, "c", Full, transport=transport)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("head", "suffix"), [(MP4, ".mp4"), (b"RIFF\0\0\0\0WAVE", ".wav"), (b"OggS", ".ogg"), (b"ID3\4", ".mp3"), (b"", ".bin")]
)
def test_what_a_file_is_its_bytes_say(head: bytes, suffix: str) -> None:
    assert suffix_of(head) == suffix
