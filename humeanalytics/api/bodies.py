"""What a submission carries: bodies of a known length, made of chunks, which can be made again for a further attempt.

A form with files is read from disk chunk by chunk while it is sent; no file is ever held whole.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec

from humeanalytics.api.blocking import in_thread
from humeanalytics.errors import UnreadableRecording

_CHUNK_BYTES = 256 * 1024
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:; ?[\w!#$&^.+-]+=[\w!#$&^.+-]+)*", re.ASCII)
# As browsers and the official client write a name between quotation marks.
_ESCAPES = {'"': "%22", "\\": "\\\\", "\x7f": "%7F"} | {chr(code): f"%{code:02X}" for code in range(32)}
_ESCAPED = str.maketrans(_ESCAPES)


@dataclass(frozen=True, slots=True)
class Body:
    """A request body. ``chunks()`` starts it from the beginning and yields ``size_bytes`` bytes in all."""

    content_type: str
    size_bytes: int
    chunks: Callable[[], AsyncGenerator[bytes, None]]


@dataclass(frozen=True, slots=True)
class Upload:
    """A local file to send. ``open`` is called once an attempt, in a worker thread; it must give ``size_bytes`` bytes.

    Attributes:
        name: The file name, which Hume echoes as ``file``.
        size_bytes: Its size as planned. Another size at the time of sending is an error of this file.
        content_type: Its media type, or None for unspecified bytes.
        open: Opens it for reading.
        sent_name: The name the service is told instead, where it is no business of the service's.
    """

    name: str
    size_bytes: int
    content_type: str | None
    open: Callable[[], BinaryIO]
    sent_name: str | None = None


def json_body(value: Any) -> Body:
    """Return ``value`` as a JSON body."""
    data = _json(value)

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield data

    return Body("application/json", len(data), chunks)


def form_body(request: Mapping[str, Any], uploads: Sequence[Upload]) -> Body:
    """Return a ``multipart/form-data`` body: the field ``json`` first, then one part ``file`` for each upload.

    Raises:
        UnreadableRecording: (while its chunks are read) A file cannot be read, or has not the size it was planned with.
            The body then lacks its end, so no server can have taken the request.
    """
    return _form(b'name="json"', _json(request), uploads)


def measure_body(config: Mapping[str, Any], uploads: Sequence[Upload]) -> Body:
    """Return a ``multipart/form-data`` body as v1 takes it: ``config`` first, unless it is empty, then the ``file`` parts.

    Raises:
        UnreadableRecording: As `form_body`.
    """
    return _form(b'name="config"\r\nContent-Type: application/json', _json(config) if config else None, uploads)


def _form(field: bytes, value: bytes | None, uploads: Sequence[Upload]) -> Body:
    boundary = f"humeanalytics-{secrets.token_hex(16)}"
    opening = b""
    if value is not None:
        opening = b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s" % (boundary.encode(), field, value)
    headers = [_part_header(boundary, upload) for upload in uploads]
    if not opening and headers:
        headers[0] = headers[0].removeprefix(b"\r\n")
    closing = f"\r\n--{boundary}--\r\n".encode()
    size_bytes = len(opening) + sum(map(len, headers)) + sum(upload.size_bytes for upload in uploads) + len(closing)

    async def chunks() -> AsyncGenerator[bytes, None]:
        if opening:
            yield opening
        for header, upload in zip(headers, uploads, strict=True):
            yield header
            async for chunk in _file_chunks(upload):
                yield chunk
        yield closing

    return Body(f"multipart/form-data; boundary={boundary}", size_bytes, chunks)


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a character, as broken text files have them; JSON can escape it
        return json.dumps(value).encode()


def _part_header(boundary: str, upload: Upload) -> bytes:
    name = (upload.sent_name or upload.name).encode("utf-8", "replace").decode().translate(_ESCAPED)
    type_ = (
        upload.content_type if upload.content_type and _MEDIA_TYPE.fullmatch(upload.content_type) else "application/octet-stream"
    )
    return (
        f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {type_}\r\n\r\n'
    ).encode()


async def _file_chunks(upload: Upload) -> AsyncGenerator[bytes, None]:
    try:
        file = await in_thread(upload.open)
        try:
            missing_bytes = upload.size_bytes
            while chunk := await in_thread(file.read, _CHUNK_BYTES):
                missing_bytes -= len(chunk)
                if missing_bytes < 0:
                    break
                yield chunk
        finally:
            file.close()
    except OSError as error:
        raise UnreadableRecording(
            f"{upload.name} could not be read while it was sent: {error.strerror or error}. Nothing of the request was accepted.",
            item=upload.name,
        ) from error
    if missing_bytes:
        raise UnreadableRecording(
            f"{upload.name} changed while it was sent: it was {upload.size_bytes:,} bytes when planned and is "
            f"{'longer' if missing_bytes < 0 else 'shorter'} now. Nothing of the request was accepted; run the same command "
            "again.",
            item=upload.name,
        )
