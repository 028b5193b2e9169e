"""The multipart body of an upload: one or more parts ``file``, at most one ``config``, in any order, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from humeanalytics.sandbox.expression.refusals import Refused


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its content type as sent, in lower case and without parameters, and its bytes."""

    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent: the ``config`` part, if there was one, and the files in their order."""

    config: Part | None
    files: list[Part]


async def receive_form(request: Request, max_bytes: int | None, too_large: str) -> Form:
    """Read an upload to its end.

    Args:
        request: The request.
        max_bytes: How long the whole body may be; None: as long as it likes.
        too_large: The code of the error if it is longer.

    Raises:
        Refused: It is longer, or no multipart form, or parts are missing, there twice, or of unknown name.
        ClientDisconnect: It broke off.
    """
    kind, given = parse_options_header(request.headers.get("content-type", ""))
    parser, receiver = None, _Receiver()
    problem: Refused | None = _invalid("the body must be multipart/form-data with a boundary")
    if kind == b"multipart/form-data" and given.get(b"boundary"):
        try:
            parser = MultipartParser(given[b"boundary"], receiver.callbacks())
            problem = None
        except FormParserError as error:
            problem = _invalid(f"broken multipart body: {error}")
    size_bytes = 0
    async for chunk in request.stream():  # to its end, whatever it is: who stops listening is not heard either
        size_bytes += len(chunk)
        if max_bytes is not None and size_bytes > max_bytes:
            problem = Refused(too_large, f"the request body exceeds the maximum of {max_bytes} bytes")
            parser, receiver = None, _Receiver()
        if parser is not None:
            try:
                parser.write(chunk)
            except FormParserError as error:
                parser, problem = None, _invalid(f"broken multipart body: {error}")
    if problem is not None:
        raise problem
    if not receiver.ended:
        raise _invalid("broken multipart body: it ends early")
    return receiver.form()


class _Receiver:
    """Takes the parser's events."""

    def __init__(self) -> None:
        self.ended = False
        self._parts: list[tuple[str, Part]] = []

    def callbacks(self) -> Any:
        return {name: getattr(self, name) for name in dir(self) if name.startswith("on_")}

    def on_part_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header_name = self._header_value = b""
        self._data = bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += memoryview(data)[start:end]

    def on_part_end(self) -> None:
        _, given = parse_options_header(self._headers.get(b"content-disposition", b""))
        kind, _ = parse_options_header(self._headers.get(b"content-type", b""))
        part = Part(kind.decode("latin-1").lower(), bytes(self._data))
        self._parts.append((given.get(b"name", b"").decode("utf-8", "replace"), part))

    def on_end(self) -> None:
        self.ended = True

    def form(self) -> Form:
        configs = [part for name, part in self._parts if name == "config"]
        files = [part for name, part in self._parts if name == "file"]
        unknown = [name for name, _ in self._parts if name not in ("config", "file")]
        if unknown:
            raise _invalid(f"unknown part {unknown[0]!r}; there are 'file' and 'config'")
        if len(configs) > 1:
            raise _invalid("more than one part 'config'")
        if not files:
            raise _invalid("the part 'file' is missing")
        return Form(configs[0] if configs else None, files)


def _invalid(message: str) -> Refused:
    return Refused("message_invalid", message)
