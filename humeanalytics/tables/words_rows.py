"""What comes out of a file of words, and how it is gathered while such a file is read."""

from __future__ import annotations

import codecs
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pyarrow as pa

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.schema import schema_of

#: The columns of `words` before which recording, source and load are put.
KEY_COLUMNS = ("recording_id", "source_id", "load_id")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class Words:
    """What one file tells of one recording.

    Attributes:
        form: ``vtt``, ``srt``, ``whisper``, ``whisperx``, ``textgrid`` or ``rttm``.
        of: What the file calls the recording, where it names it (RTTM does).
        language: The language it names.
        table: The columns of `words` without its keys, in the order of the file.
        left_out: What else was in it, in a few words each.
    """

    form: str
    of: str | None
    language: str | None
    table: pa.Table
    left_out: tuple[str, ...] = ()


@dataclass
class WordRows:
    """Rows of `words` in the making.

    Attributes:
        item: What errors call the file.
        language: The language it names.
        left_out: What else was in it.
    """

    item: str
    language: str | None = None
    left_out: list[str] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        begin_s: float | None,
        end_s: float | None,
        text: str | None,
        *,
        level: str,
        speaker_id: str | None = None,
        channel: int | None = None,
        confidence: float | None = None,
    ) -> None:
        """Add one row; of a text blanks at its ends and broken characters go."""
        self._rows.append(
            {
                "nth": len(self._rows),
                "begin_s": begin_s,
                "end_s": end_s,
                "speaker_id": None if speaker_id is None else whole(speaker_id).strip() or None,
                "text": None if text is None else whole(text).strip(),
                "level": level,
                "channel": channel,
                "confidence": confidence,
            }
        )

    def table(self) -> pa.Table:
        """Return the rows."""
        declared = schema_of("words")
        schema = pa.schema([column for column in declared if column.name not in KEY_COLUMNS])
        return pa.Table.from_pylist(self._rows, schema=schema)

    def broken(self, place: str, reason: str) -> NoReturn:
        """Say what is wrong with the file, and where."""
        raise UnreadableResponse(f"{self.item}: {place}: {reason}.", item=self.item)

    def ends_after(self, begin_s: float, end_s: float, place: str) -> None:
        """Hold that something ends no earlier than it begins."""
        if end_s < begin_s:
            self.broken(place, f"it ends at {end_s:.3f} s, before it begins, at {begin_s:.3f} s")


def whole(text: str) -> str:
    """Return a text that every encoding can write: half a surrogate pair becomes U+FFFD.

    >>> whole("a\\ud800b")
    'a\\ufffdb'
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def number(text: str) -> float | None:
    """Return the number that a text is; None where it is none, or larger than any time in a recording.

    >>> number("1.5"), number("nan"), number("<NA>"), number("1_0"), number("1e99")
    (1.5, None, None, None, None)
    """
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if abs(value) < _LARGEST else None


def decoded(data: bytes, item: str) -> str:
    """Return the text of a file, its lines ending in one way: UTF-8, or UTF-16 where a byte order mark says so.

    Raises:
        UnreadableResponse: It is in another encoding; says at which byte.
    """
    mark, encoding = next((found for found in _BYTE_ORDER_MARKS if data.startswith(found[0])), (b"", "utf-8"))
    try:
        return _lines_ended(data[len(mark) :].decode(encoding))
    except UnicodeDecodeError as error:
        at, name = len(mark) + error.start, encoding.upper().removesuffix("-LE").removesuffix("-BE")
        reason = f"byte {at} is not {name}. Save the file as UTF-8 and try again"
        raise UnreadableResponse(f"{item}: {reason}.", item=item) from None


def head_text(head: bytes) -> str:
    """Return the first bytes of a file as text, as far as they are such."""
    mark, encoding = next((found for found in _BYTE_ORDER_MARKS if head.startswith(found[0])), (b"", "utf-8"))
    return _lines_ended(head[len(mark) :].decode(encoding, "replace"))


def _lines_ended(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
