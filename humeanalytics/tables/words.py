"""Read who said what when from the files that people have of it: transcripts, annotations, turns of speakers."""

from __future__ import annotations

from collections import defaultdict

from humeanalytics.errors import NotHumeData
from humeanalytics.tables.looks import looks_like
from humeanalytics.tables.words_cues import is_srt, is_vtt, read_srt, read_vtt
from humeanalytics.tables.words_json import is_words_json, read_json
from humeanalytics.tables.words_rows import WordRows, Words, decoded, head_text
from humeanalytics.tables.words_rttm import is_rttm, read_rttm
from humeanalytics.tables.words_textgrid import is_textgrid, read_textgrid

__all__ = ["Words", "is_words_json", "read_words", "words_form"]

_HEAD_BYTES = 1 << 12
_JSON = "json"
_FORMS = {"vtt": is_vtt, "textgrid": is_textgrid, "rttm": is_rttm, "srt": is_srt}


def words_form(head: bytes) -> str | None:
    """Return the form of a file of words by its first bytes: ``vtt``, ``srt``, ``textgrid`` or ``rttm``, else None.

    Of JSON `is_words_json` tells.

    >>> words_form(b"WEBVTT\\n\\n00:01.000 --> 00:02.000\\nHi"), words_form(b"Dear diary")
    ('vtt', None)
    """
    text = head_text(head[:_HEAD_BYTES]).lstrip()
    return next((form for form, is_form in _FORMS.items() if is_form(text)), None)


def read_words(data: bytes, *, name: str = "the words") -> list[Words]:
    """Read words, with their times and speakers as far as a file tells them.

    Takes WebVTT, SubRip, JSON of Whisper (segments, with times of words or without), of WhisperX (words and speakers), TextGrids
    of Praat (long and short) and RTTM (turns of speakers); which it is shows in it. Times are in seconds. Where a file tells of
    words and of stretches made of them, words are taken. Rows that overlap are all kept, in the order of the file.

    Args:
        data: The bytes: UTF-8, or UTF-16 with a byte order mark.
        name: What errors call it.

    Returns:
        What it tells of each recording: one but for RTTM, which may name several.

    Raises:
        NotHumeData: It is something else; says what it looks like.
        UnreadableResponse: It is broken; says at which line or place, and how.

    Examples:
        >>> words, = read_words(b"WEBVTT\\n\\n00:01.000 --> 00:02.500\\n<v Anna>Hi &amp; welcome\\n")
        >>> words.table.select(["begin_s", "end_s", "speaker_id", "text"]).to_pylist()
        [{'begin_s': 1.0, 'end_s': 2.5, 'speaker_id': 'Anna', 'text': 'Hi & welcome'}]
    """
    form = words_form(data) or (_JSON if head_text(data[:_HEAD_BYTES]).lstrip()[:1] in ("{", "[") else None)
    if form is None:
        raise NotHumeData(f"{name}: this is {looks_like(data[:_HEAD_BYTES])}, not a transcript.", item=name)
    if data.lstrip().startswith(b"ooBinaryFile"):
        reason = "this is a TextGrid in Praat's binary form. Save it as a text file"
        raise NotHumeData(f"{name}: {reason}.", item=name)
    text = decoded(data, name)
    rows = WordRows(name)
    if form == "rttm":
        rows_of: defaultdict[str, WordRows] = defaultdict(lambda: WordRows(name))
        read_rttm(text, rows_of, rows)
        return [Words(form, of, None, each.table()) for of, each in rows_of.items()]
    if form == "vtt":
        read_vtt(text, rows)
    elif form == "srt":
        read_srt(text, rows)
    elif form == "textgrid":
        read_textgrid(text, rows)
    else:
        form = read_json(text, rows)
    return [Words(form, None, rows.language, rows.table(), tuple(rows.left_out))]
