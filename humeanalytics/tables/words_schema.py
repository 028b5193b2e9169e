"""What the tables of words are: who said what when, as transcripts and speaker turns tell that lie beside recordings."""

from __future__ import annotations

from humeanalytics.tables.declarations import F64, I64, KEYS, UTC_TIME, S, Table
from humeanalytics.tables.declarations import declared as _c

_RECORDING, _, _LOAD = KEYS
_SOURCE = _c("source_id", S, "the file they were read from, as it was then; joins to `word_sources`")

WORD_SOURCES = Table(
    "word_sources",
    "one transcript, or list of speaker turns, of one recording, as one file told it when it was read",
    (
        _c("source_id", S, "identity of the file, the recording and what was read"),
        _RECORDING,
        _LOAD,
        _c("uri", S, "the file; the newest reading of it holds"),
        _c("sha256", S, "of its bytes"),
        _c("form", S, "`vtt`, `srt`, `whisper`, `whisperx`, `textgrid` or `rttm`"),
        _c("language", S, "the language it names"),
        _c("rows", I64, "rows of `words`"),
        _c("words", I64, "how many of them are single words"),
        _c("texts", I64, "how many of them have a text"),
        _c("untimed", I64, "how many of them lack their begin or end"),
        _c("speakers", I64, "how many speakers it tells apart; 0 where it names none"),
        _c("left_out_json", S, "what else was in it and is not in `words`, as a JSON list: tiers of phones, of points, ..."),
        _c("read_at", UTC_TIME, "when it was read"),
    ),
)
WORDS = Table(
    "words",
    "one word, or one stretch of speech where a source does not tell words apart; rows may overlap",
    (
        _RECORDING,
        _SOURCE,
        _LOAD,
        _c("nth", I64, "its place in the source, from 0"),
        _c("begin_s", F64, "start, seconds from the start of the recording; null where the source does not tell"),
        _c("end_s", F64, "end, seconds from the start of the recording; null where the source does not tell"),
        _c("speaker_id", S, "who speaks, as the source calls them; null where it does not tell"),
        _c("text", S, "what was said; null where the source tells only who speaks"),
        _c("level", S, "`word`, `segment` (a cue, a sentence, an interval) or `turn` (of a speaker, without text)"),
        _c("channel", I64, "the channel of the recording, from 0; null where the source does not tell several apart"),
        _c("confidence", F64, "how sure the transcript is, as the source says it"),
    ),
)
