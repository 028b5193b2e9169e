"""What a submission carries: the form as a server reads it, its exact length, files that change under it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import FormParser, parse_options_header

from humeanalytics.api.bodies import Body, Upload, form_body, json_body
from humeanalytics.errors import UnreadableRecording


def upload_of(name: str, data: bytes, content_type: str | None = None) -> Upload:
    return Upload(name, len(data), content_type, lambda: io.BytesIO(data))


async def read(body: Body) -> bytes:
    return b"".join([chunk async for chunk in body.chunks()])


def parsed(body: Body) -> tuple[list[tuple[str, bytes]], list[tuple[str, str, str, bytes]]]:
    """The fields and the files of a form, as a server's parser reads them."""
    fields: list[tuple[str, bytes]] = []
    files: list[tuple[str, str, str, bytes]] = []

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        files.append((file.field_name.decode(), file.file_name.decode(), file.content_type, file.file_object.read()))

    kind, options = parse_options_header(body.content_type)
    parser = FormParser(
        kind.decode(),
        lambda field: fields.append((field.field_name.decode(), field.value)),
        on_file,
        boundary=options[b"boundary"],
        config={"MAX_MEMORY_FILE_SIZE": 1 << 30},
    )
    parser.write(asyncio.run(read(body)))
    parser.finalize()
    return fields, files


def test_json_body() -> None:
    body = json_body({"urls": ["https://x.example/ü.wav"], "text": ["No.\n"]})
    data = asyncio.run(read(body))
    assert body.content_type == "application/json"
    assert (json.loads(data), len(data)) == ({"urls": ["https://x.example/ü.wav"], "text": ["No.\n"]}, body.size_bytes)


def test_half_a_character_is_sent_escaped() -> None:
    request = {"text": ["broken \ud83d"], "models": None}
    assert json.loads(asyncio.run(read(json_body(request)))) == request


def test_form_holds_the_request_first_then_each_file() -> None:
    uploads = [upload_of("a.wav", b"RIFF\r\n--x--\r\n", "audio/wav"), upload_of("b", b""), upload_of("a.wav", b"\x00" * 700_000)]
    fields, files = parsed(form_body({"models": {"prosody": {}}}, uploads))
    assert fields == [("json", b'{"models":{"prosody":{}}}')]
    assert files == [
        ("file", "a.wav", "audio/wav", b"RIFF\r\n--x--\r\n"),
        ("file", "b", "application/octet-stream", b""),
        ("file", "a.wav", "application/octet-stream", b"\x00" * 700_000),
    ]


# What browsers and the official client write for characters that cannot stand between quotation marks.
ESCAPED = {'"': "%22", "\x7f": "%7F"} | {chr(code): f"%{code:02X}" for code in range(32)}


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.binary(max_size=100)),
        min_size=1,
        max_size=4,
    )
)
def test_every_form_reads_back_and_is_as_long_as_it_says(uploads: list[tuple[str, bytes]]) -> None:
    body = form_body({"text": ["ä"]}, [upload_of(name, data) for name, data in uploads])
    assert len(asyncio.run(read(body))) == body.size_bytes
    fields, files = parsed(body)
    assert fields == [("json", '{"text":["ä"]}'.encode())]
    assert [data for *_, data in files] == [data for _, data in uploads]
    for (name, _), (_, came, _, _) in zip(uploads, files, strict=True):
        if name[1:3] != ":\\" and name[:2] != "\\\\":  # the parser takes those for paths of Windows, and cuts them
            assert came == "".join(ESCAPED.get(character, character) for character in name)


@pytest.mark.parametrize(
    ("name", "came"),
    [
        ("Übung №1 – 你好 🎬.mp4", "Übung №1 – 你好 🎬.mp4"),
        ('the "best" take.wav', "the %22best%22 take.wav"),
        ("two\r\nlines.wav", "two%0D%0Alines.wav"),
        ("back\\slash.wav", "back\\slash.wav"),
        ("semi;colon=1.wav", "semi;colon=1.wav"),
        ("no utf-8 \udcff.wav", "no utf-8 ?.wav"),
    ],
)
def test_awkward_names(name: str, came: str) -> None:
    _, files = parsed(form_body({}, [upload_of(name, b"x")]))
    assert files == [("file", came, "application/octet-stream", b"x")]


@pytest.mark.parametrize("content_type", ["audio/wav\r\nX-Evil: 1", "audio", "", 'a/b; c="d'])
def test_a_content_type_that_is_none_is_not_sent(content_type: str) -> None:
    _, [(_, _, came, _)] = parsed(form_body({}, [upload_of("a", b"x", content_type)]))
    assert came == "application/octet-stream"


def test_a_body_starts_over_for_each_attempt(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc" * 200_000)
    body = form_body({}, [Upload("a.bin", 600_000, None, lambda: path.open("rb"))])
    first, second = asyncio.run(read(body)), asyncio.run(read(body))
    assert first == second
    assert len(first) == body.size_bytes


def fails(error: OSError) -> Callable[[], BinaryIO]:
    def open_() -> BinaryIO:
        raise error

    return open_


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        (Upload("a.wav", 5, None, lambda: io.BytesIO(b"1234")), "a.wav changed while it was sent: it was 5 bytes .* shorter"),
        (Upload("a.wav", 5, None, lambda: io.BytesIO(b"123456")), "a.wav changed while it was sent: it was 5 bytes .* longer"),
        (Upload("a.wav", 5, None, lambda: io.BytesIO(b"")), "a.wav changed"),
        (
            Upload("a.wav", 5, None, fails(FileNotFoundError(2, "No such file or directory"))),
            "a.wav could not be read .* No such",
        ),
    ],
)
def test_a_file_that_is_not_what_was_planned_never_makes_a_whole_body(upload: Upload, message: str) -> None:
    body = form_body({}, [upload])
    sent = bytearray()

    async def send() -> None:
        async for chunk in body.chunks():
            sent.extend(chunk)

    with pytest.raises(UnreadableRecording, match=message) as caught:
        asyncio.run(send())
    assert caught.value.item == "a.wav"
    assert len(sent) < body.size_bytes
    assert not sent.endswith(b"--\r\n")


def test_a_file_is_closed_when_the_attempt_is_cut_short() -> None:
    file = io.BytesIO(b"x" * 1_000_000)

    async def send() -> None:
        chunks = form_body({}, [Upload("a", 1_000_000, None, lambda: file)]).chunks()
        for _ in range(3):
            await anext(chunks)
        await chunks.aclose()

    asyncio.run(send())
    assert file.closed


def test_a_cancelled_read_ends_before_its_file_is_closed() -> None:
    reading, go_on = threading.Event(), threading.Event()

    class SlowFile(io.BytesIO):
        read_after_close = False

        def read(self, size: int | None = -1, /) -> bytes:
            reading.set()
            go_on.wait(5)
            SlowFile.read_after_close = self.closed
            return b""

    file = SlowFile()

    async def run() -> None:
        async def send() -> None:
            async for _ in form_body({}, [Upload("a", 1, None, lambda: file)]).chunks():
                pass

        task = asyncio.create_task(send())
        await asyncio.to_thread(reading.wait)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not file.closed
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert file.closed
    assert not SlowFile.read_after_close
