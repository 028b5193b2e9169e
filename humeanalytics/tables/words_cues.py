"""Read the cues of WebVTT and SubRip, the two forms of subtitles."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from humeanalytics.tables.words_rows import WordRows

_CLOCK = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,9})"
_TIMING = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?")
_SRT_START = re.compile(rf"\s*(?:\d+[ \t]*\r?\n\s*)?{_CLOCK}[ \t]*-->")
_VTT_START = re.compile(r"WEBVTT(?=\s|$)")
_TAG = re.compile(r"<([^<>]*)>")
_INLINE_TIME = re.compile(_CLOCK)
_VOICE = re.compile(r"v(?:\.\S*)?\s+(.*)", re.DOTALL)
_SRT_TAG = re.compile(r"</?(?:b|i|u|s|font)\b[^<>]*>|\{\\[^{}]*\}", re.IGNORECASE)
#: How WhisperX writes speakers into subtitles, which have no place for them.
_WHISPERX_SPEAKER = re.compile(r"\[(SPEAKER_\d+)\]:\s*")


@dataclass(frozen=True, slots=True)
class _Cue:
    line: int
    begin_s: float
    end_s: float
    lines: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"line {self.line}"


def is_vtt(head: str) -> bool:
    """Tell whether a file is WebVTT by its beginning."""
    return _VTT_START.match(head) is not None


def is_srt(head: str) -> bool:
    """Tell whether a file is SubRip by its beginning.

    >>> is_srt("1\\n00:00:01,000 --> 00:00:02,500\\nHello"), is_srt("1\\n2\\n")
    (True, False)
    """
    return _SRT_START.match(head) is not None


def read_srt(text: str, rows: WordRows) -> None:
    """Read SubRip: cues with a comma before milliseconds; numbers of cues and what they look like are left aside."""
    lines = _lines(text)
    starts = [i for i, line in enumerate(lines) if "-->" in line]
    for timing, later in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        # A number stands before the times; blank lines can be part of what was said, so they end nothing.
        end = later - 1 if lines[later - 1 : later] and lines[later - 1].strip().isdecimal() else later
        cue = _cue(lines, timing, end, rows)
        said = _SRT_TAG.sub("", " ".join(line.strip() for line in cue.lines))
        _add(rows, cue.begin_s, cue.end_s, None, said, "segment")


def read_vtt(text: str, rows: WordRows) -> None:
    """Read WebVTT: a row a cue, or for each voice in it, or, where times stand between its words, for each of those."""
    lines = _lines(text)
    header = lines[: lines.index("") if "" in lines else len(lines)]
    for number, line in enumerate(header, start=1):
        name, separator, value = line.replace("=", ":", 1).partition(":")
        if separator and name.strip().lower() == "language":
            rows.language = value.strip() or None
        if line.startswith("X-TIMESTAMP-MAP") and not re.search(r"MPEGTS:0(?!\d)", line):
            rows.broken(f"line {number}", "its times are on the clock of a stream (X-TIMESTAMP-MAP), not of a recording")
    first = next((i for i, line in enumerate(header) if "-->" in line), len(header))
    rolls = any(line.strip() == "Kind: captions" for line in header)
    above: tuple[str, ...] = ()
    for cue in _cues(lines, rows, first):
        said = tuple(line.strip() for line in cue.lines if line.strip())
        # Captions that roll up show the line before once more; what is new has times between its words, or stands alone.
        new = said[1:] if rolls and above and said and _plain(said[0]) == _plain(above[-1]) else said
        above = said or above
        for voice, begin_s, end_s, part, level in _parts(cue, " ".join(new), rows):
            _add(rows, begin_s, end_s, voice, part, level)


def _lines(text: str) -> list[str]:
    # Not str.splitlines: characters such as U+2028 and form feeds are part of what was said.
    return text.replace("\0", "\ufffd").split("\n")


def _cues(lines: Sequence[str], rows: WordRows, first: int) -> Iterator[_Cue]:
    """Yield cues: a line of times and the lines up to a blank one. Blocks without times (notes, styles) are left aside."""
    at = first
    while at < len(lines):
        block = at
        while block < len(lines) and not _ends_block(lines, block):
            block += 1
        timing = next((i for i in range(at, min(at + 2, block)) if "-->" in lines[i]), None)
        if timing is not None and not lines[at].startswith("NOTE"):
            yield _cue(lines, timing, block, rows)
        at = block + 1


def _ends_block(lines: Sequence[str], at: int) -> bool:
    """Tell whether a line ends a block: an empty one does, one of blanks where a cue follows it."""
    line = lines[at]
    return not line or (line.isspace() and any("-->" in each for each in lines[at + 1 : at + 3]))


def _cue(lines: Sequence[str], timing: int, end: int, rows: WordRows) -> _Cue:
    place = f"line {timing + 1}"
    found = _TIMING.fullmatch(lines[timing])
    if found is None:
        rows.broken(place, "these are no times of a cue, as in 00:01:02.500 --> 00:01:04.000")
    begin_s, end_s = (_seconds(found.groups()[i : i + 4]) for i in (0, 4))
    rows.ends_after(begin_s, end_s, place)
    more = next((i for i in range(timing + 1, min(end, len(lines))) if _TIMING.fullmatch(lines[i])), None)
    if more is not None:
        rows.broken(f"line {more + 1}", "a cue begins here without a blank line before it")
    return _Cue(timing + 1, begin_s, end_s, tuple(lines[timing + 1 : end]))


def _seconds(clock: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = clock
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return float(f"{whole}.{fraction}")


def _parts(cue: _Cue, text: str, rows: WordRows) -> Iterator[tuple[str | None, float, float, str, str]]:
    """Yield the parts of a cue that differ in their voice or their time."""
    voice: str | None = None
    found: list[tuple[str | None, float, str]] = []
    begin_s, said, timed = cue.begin_s, "", False

    def close() -> None:
        nonlocal said
        if said.strip():
            found.append((voice, begin_s, said))
        said = ""

    for i, part in enumerate(_TAG.split(text)):
        if i % 2 == 0:
            said += html.unescape(part)
        elif clock := _INLINE_TIME.fullmatch(part):
            close()
            at_s = _seconds(clock.groups())
            if not begin_s <= at_s <= cue.end_s:
                rows.broken(cue.place, f"the time <{part}> within the cue is not in order")
            begin_s, timed = at_s, True
        elif spoken := _VOICE.fullmatch(part):
            close()
            voice = html.unescape(spoken[1])
        elif part == "/v":
            close()
            voice = None
    close()
    for i, (who, from_s, part) in enumerate(found):
        later = next((other for _, other, _ in found[i + 1 :] if other > from_s), cue.end_s)
        yield who, from_s, later if timed else cue.end_s, part, "word" if timed else "segment"


def _add(rows: WordRows, begin_s: float, end_s: float, voice: str | None, text: str, level: str) -> None:
    marked = _WHISPERX_SPEAKER.match(text.lstrip()) if voice is None else None
    if marked:
        voice, text = marked[1], text.lstrip()[marked.end() :]
    if text.strip():
        rows.add(begin_s, end_s, text, level=level, speaker_id=voice)


def _plain(line: str) -> str:
    return html.unescape(_TAG.sub("", line)).strip()
