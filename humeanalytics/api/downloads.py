"""What a body that is stored must be, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_HEAD_BYTES = 512
#: An archive ends with a record of 22 bytes and a comment of up to 65,535.
_TAIL_BYTES = 22 + 65_535


class Sink(Protocol):
    """Where one attempt at a download writes. A further attempt gets a fresh one.

    ``write`` is called in the event loop with some 64 KiB at a time; ``commit`` and ``abort`` in a worker thread, because they
    may wait for the disk. Exactly one of the two is called, and nothing after it.
    """

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""

    def commit(self) -> object:
        """Keep what was written: it is the whole body."""

    def abort(self) -> object:
        """Throw away what was written."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the first and the last bytes of a body must be."""

    name: str
    begins: Callable[[bytes], bool]
    ends: Callable[[bytes], bool]


JSON = Form(
    "JSON",
    lambda head: head.lstrip()[:1] in (b"[", b"{"),
    lambda tail: tail.rstrip()[-1:] in (b"]", b"}"),
)
JSON_ARRAY = Form(
    "a JSON array",
    lambda head: head.lstrip()[:1] == b"[",
    lambda tail: tail.rstrip()[-1:] == b"]",
)


JSON_OBJECT = Form(
    "a JSON object",
    lambda head: head.lstrip()[:1] == b"{",
    lambda tail: tail.rstrip()[-1:] == b"}",
)


def _ends_as_zip(tail: bytes) -> bool:
    """Whether the record that ends an archive is there, with all of the comment it announces."""
    at = tail.rfind(b"PK\x05\x06")
    return at >= 0 and len(tail) - at - 22 >= int.from_bytes(tail[at + 20 : at + 22], "little")


ZIP = Form("a ZIP archive", lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06")), _ends_as_zip)


@dataclass(slots=True)
class Ends:
    """The two ends of a body that passes by, and its size."""

    head: bytes = b""
    tail: bytes = b""
    size_bytes: int = 0

    def feed(self, chunk: bytes) -> None:
        if len(self.head) < _HEAD_BYTES:
            self.head += chunk[: _HEAD_BYTES - len(self.head)]
        self.tail = chunk[-_TAIL_BYTES:] if len(chunk) >= _TAIL_BYTES else (self.tail + chunk)[-_TAIL_BYTES:]
        self.size_bytes += len(chunk)
