"""Multipart bodies: every way official clients write them, cut anywhere, broken anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.sandbox.batch.uploads import FilePart, Form, InvalidUpload, receive_form
from humeanalytics.sandbox.options import SandboxOptions

BOUNDARY = "0f1e2d3c"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
Part = tuple[str, bytes]


def part(name: str, content: bytes, filename: str | None = None, content_type: str | None = None) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {content_type}" if content_type else ""
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def receive(body: bytes, sizes: list[int] | None = None, content_type: str = CONTENT_TYPE, **limits: int) -> tuple[Form, bytes]:
    """The form, and the bytes of its files one after the other."""

    async def pieces() -> AsyncIterator[bytes]:
        at = 0
        for size in sizes or []:
            yield body[at : at + size]
            at += size
        yield body[at:]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        form = asyncio.run(receive_form(content_type, pieces(), path, SandboxOptions(**limits)))
        return form, path.read_bytes()


@pytest.mark.parametrize(
    "json_part",
    [
        part("json", b'{"notify": true}'),
        part("json", b'{"notify": true}', "upload", "application/octet-stream"),
        part("json", b'{"notify": true}', content_type="application/json"),
    ],
)
@pytest.mark.parametrize("json_first", [True, False])
def test_the_encodings_of_the_json_part(json_part: bytes, json_first: bool) -> None:
    file = part("file", b"RIFF", "a.wav", "audio/wav")
    form, content = receive((json_part + file if json_first else file + json_part) + END)
    assert form.json == b'{"notify": true}'
    assert content == b"RIFF"
    (upload,) = form.files
    assert (upload.filename, upload.content_type, upload.offset_bytes, upload.size_bytes) == ("a.wav", "audio/wav", 0, 4)
    assert upload.md5 == hashlib.md5(b"RIFF").hexdigest() and upload.sha256 == hashlib.sha256(b"RIFF").hexdigest()


def test_names() -> None:
    form, _ = receive(part("file", b"a") + part("file", b"b", "été 1.wav") + part("file", b"c", "") + END)
    assert [upload.filename for upload in form.files] == ["file", "été 1.wav", "file"]


def test_other_parts_are_noted_and_not_kept() -> None:
    form, content = receive(part("models", b"{}") + part("file", b"abc", "a") + END)
    assert (form.unknown, content) == (["models"], b"abc")


contents = st.lists(st.binary(max_size=300) | st.just(f"\r\n--{BOUNDARY[:-1]}".encode()), min_size=1, max_size=5)


@given(contents, st.lists(st.integers(1, 90), max_size=40))
@settings(max_examples=150, deadline=None)
def test_bodies_may_be_cut_anywhere(files: list[bytes], sizes: list[int]) -> None:
    body = b"".join(part("file", content, f"{i}.bin") for i, content in enumerate(files)) + part("json", b"{}") + END
    form, stored = receive(body, sizes)
    assert form.json == b"{}"
    disk = io.BytesIO(stored)
    for content, upload in zip(files, form.files, strict=True):
        read = io.BufferedReader(FilePart(disk, upload.offset_bytes, upload.size_bytes)).read()
        assert read == content
        assert upload.sha256 == hashlib.sha256(content).hexdigest()


@given(st.binary(max_size=200), st.data())
@settings(max_examples=150, deadline=None)
def test_a_body_that_ends_early_is_refused(content: bytes, data: st.DataObject) -> None:
    body = part("json", b"{}") + part("file", content, "a.wav")
    cut = data.draw(st.integers(0, len(body)))
    with pytest.raises(InvalidUpload, match="broken multipart body"):
        receive(body[:cut])


def test_limits() -> None:
    two = part("file", b"12345", "a") + part("file", b"12345", "b") + END
    assert len(receive(two, max_files=2, max_file_bytes=5)[0].files) == 2
    with pytest.raises(InvalidUpload, match="more than 1 files; pack them into an archive"):
        receive(two, max_files=1)
    with pytest.raises(InvalidUpload, match="file 'a' exceeds the maximum of 4 bytes"):
        receive(two, max_file_bytes=4)
    with pytest.raises(InvalidUpload, match="the json part exceeds"):
        receive(part("json", b"[1, 2, 3]") + END, max_body_bytes=4)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("multipart/form-data", END), (CONTENT_TYPE, b"no multipart at all"), (f"multipart/form-data; boundary={'x' * 500}", END)],
)
def test_what_is_no_form(content_type: str, body: bytes) -> None:
    with pytest.raises(InvalidUpload, match="multipart body"):
        receive(body, content_type=content_type)


@given(st.binary(max_size=500), st.integers(0, 400), st.lists(st.tuples(st.integers(0, 600), st.integers(0, 100)), max_size=20))
@settings(deadline=None)
def test_a_part_of_a_file_reads_like_a_file(content: bytes, size: int, reads: list[tuple[int, int]]) -> None:
    offset = len(content) // 3
    size = min(size, len(content) - offset)
    whole = io.BytesIO(content[offset : offset + size])
    part_of_it = io.BufferedReader(FilePart(io.BytesIO(content), offset, size), 16)
    for at, length in reads:
        assert part_of_it.seek(at) == whole.seek(at)
        assert part_of_it.read(length) == whole.read(length)
        assert part_of_it.tell() == whole.tell()
