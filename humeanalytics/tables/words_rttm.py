"""Read RTTM: who speaks when, one turn a line, as programs that tell speakers apart write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from humeanalytics.tables.words_rows import WordRows, number

#: The second line holds what says nothing of who speaks when.
_TYPES = (
    *("SPEAKER", "LEXEME"),
    *("SPKR-INFO", "NON-LEX", "NON-SPEECH", "NOSCORE", "NO_RT_METADATA", "SEGMENT", "SU", "EDIT", "FILLER", "IP", "CB", "A/P"),
)
_LINE = re.compile(rf"(?:{'|'.join(map(re.escape, _TYPES))})[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+\S+")
_NONE = "<NA>"


def is_rttm(head: str) -> bool:
    """Tell whether a file is RTTM by its beginning.

    >>> is_rttm("SPEAKER call 1 0.50 1.25 <NA> <NA> Anna <NA> <NA>"), is_rttm("SPEAKER Anna: hello")
    (True, False)
    """
    line = next((line for line in head.splitlines() if line.strip() and not line.startswith(";;")), "")
    return _LINE.match(line.lstrip()) is not None


def read_rttm(text: str, rows_of: Mapping[str, WordRows], item: WordRows) -> None:
    """Read RTTM.

    Args:
        text: The file.
        rows_of: Where the rows of each recording that it names go; makes what is missing.
        item: What tells of errors.
    """
    lines = [*_lines(text, item)]
    several = {file: len({fields[2] for _, fields in lines if fields[1] == file}) > 1 for _, (_, file, *_) in lines}
    for place, fields in lines:
        kind, file, channel, begin, lasts, spelled, _, name, *more = fields
        rows = rows_of[file]
        if kind not in ("SPEAKER", "LEXEME"):
            continue
        begin_s, lasts_s = number(begin), number(lasts)
        if begin_s is None or lasts_s is None or lasts_s < 0:
            item.broken(place, f"{begin[:40]} and {lasts[:40]} are not the begin and the length of a turn, in seconds")
        sure = number(more[0]) if more else None
        rows.add(
            begin_s,
            begin_s + lasts_s,
            None if kind == "SPEAKER" or spelled == _NONE else spelled,
            level="turn" if kind == "SPEAKER" else "word",
            speaker_id=None if name == _NONE else name,
            channel=_channel(channel, place, item) if several[file] else None,
            confidence=sure,
        )


def _lines(text: str, item: WordRows) -> Iterator[tuple[str, list[str]]]:
    for count, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(";;"):
            continue
        fields = line.split()
        if fields[0] not in _TYPES:
            item.broken(f"line {count}", f"{fields[0][:40]!r} is no type of RTTM")
        if len(fields) < 8:
            item.broken(f"line {count}", f"there are {len(fields)} fields; a turn of RTTM has 9 or 10")
        yield f"line {count}", fields


def _channel(text: str, place: str, item: WordRows) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        item.broken(place, f"{text[:40]!r} is no channel; they are counted from 1")
    return int(text) - 1
