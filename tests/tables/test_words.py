"""Files of words, as the programs that make them write them: every row is where and whose the file says it is."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_files import FILES, RTTM, SRT, TEXTGRID, TEXTGRID_SHORT, VTT, WHISPER, WHISPER_WORDS, WHISPERX

from humeanalytics.tables.schema import schema_of
from humeanalytics.tables.words import Words, is_words_json, read_words, words_form

Row = tuple[float | None, float | None, str | None, str | None]


def read(text: str | bytes | dict[str, Any] | list[Any]) -> Words:
    data = text if isinstance(text, bytes) else text.encode() if isinstance(text, str) else json.dumps(text).encode()
    [words] = read_words(data)
    return words


def rows(words: Words) -> list[Row]:
    return [(r["begin_s"], r["end_s"], r["speaker_id"], r["text"]) for r in words.table.to_pylist()]


# ------------------------------------------------------------------------------------------------------------- subtitles
def test_vtt_cues_voices_and_times_between_words() -> None:
    words = read(VTT)
    assert rows(words) == [
        (1.0, 2.5, "Anna", "Hi & welcome, everyone"),
        (2.0, 4.25, "Bob", "Thanks."),
        (2.0, 4.25, "Anna", "Sit <down>!"),
        (3600.0, 3601.0, None, "- one"),
        (3601.0, 3602.5, None, "two"),
        (3602.5, 3603.0, None, "three"),
    ]
    assert words.table["level"].to_pylist() == ["segment"] * 3 + ["word"] * 3
    assert (words.form, words.language) == ("vtt", "en-GB")


def test_vtt_of_nothing_but_its_first_line_is_silence() -> None:
    assert rows(read("WEBVTT")) == []


def test_captions_that_roll_up_are_told_once() -> None:
    text = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
\u0020
hello<00:00:00.480><c> everyone</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hello everyone
\u0020

00:00:02.399 --> 00:00:04.000 align:start position:0%
hello everyone
welcome<00:00:03.000><c> back</c>
"""
    said = [(0.16, 0.48, "hello"), (0.48, 2.389, "everyone"), (2.399, 3.0, "welcome"), (3.0, 4.0, "back")]
    assert [(begin, end, text) for begin, end, _, text in rows(read(text))] == said


def test_what_is_said_twice_in_captions_that_do_not_roll_is_there_twice() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nNo.\n\n00:02.000 --> 00:03.000\nNo.\n"
    assert [row[3] for row in rows(read(text))] == ["No.", "No."]


def test_srt_overlapping_cues_markup_and_blank_lines_in_what_was_said() -> None:
    assert rows(read(SRT)) == [
        (1.0, 2.5, None, "Hi there, a < b"),
        (2.0, 4.25, "SPEAKER_01", "Still talking"),
        (5.5, 6.75, None, "A line  and one after a blank"),
    ]


def test_srt_without_numbers_or_blank_lines_between_cues() -> None:
    text = "00:00:01,000 --> 00:00:02,000\n7\n2\n00:00:02,000 --> 00:00:03,000\nlast"
    assert rows(read(text)) == [(1.0, 2.0, None, "7"), (2.0, 3.0, None, "last")]


@pytest.mark.parametrize("text", [VTT, SRT, TEXTGRID, TEXTGRID_SHORT, RTTM])
@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_ends_of_lines_change_nothing(text: str, newline: str) -> None:
    if text in (TEXTGRID, TEXTGRID_SHORT):
        text = text.replace("two\nlines", "two lines")
    assert rows(read(text.replace("\n", newline))) == rows(read(text))


@pytest.mark.parametrize("text", [VTT.removeprefix("\ufeff"), SRT, TEXTGRID, RTTM])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_byte_order_marks(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert rows(read(b"\xfe\xff" + data if encoding == "utf-16-be" else data)) == rows(read(text))


# ------------------------------------------------------------------------------------------------------------------ JSON
def test_whisper_segments() -> None:
    words = read(WHISPER)
    assert rows(words) == [(0.0, 1.5, None, "Hello there."), (1.5, 2.0, None, "Fine.")]
    assert (words.form, words.language, words.table["level"].to_pylist()) == ("whisper", "en", ["segment"] * 2)


def test_whisper_words_and_the_segment_that_has_none() -> None:
    table = read(WHISPER_WORDS).table
    told = [(row["begin_s"], row["text"], row["level"], row["confidence"]) for row in table.to_pylist()]
    assert told == [(0.0, "Hello", "word", 0.91), (0.5, "there.", "word", 0.8), (1.5, "Fine.", "segment", None)]


def test_whisperx_speakers_and_a_word_without_times() -> None:
    words = read(WHISPERX)
    assert rows(words) == [
        (0.1, 0.3, "SPEAKER_00", "In"),
        (None, None, "SPEAKER_00", "2014"),
        (1.1, 2.0, "SPEAKER_01", "yes"),
    ]
    assert words.form == "whisperx"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"text": "", "segments": [], "language": "en"}, []),
        ([{"start": 0.5, "end": 1, "text": "a list"}], [(0.5, 1.0, None, "a list")]),
        ({"task": "transcribe", "words": [{"word": "hi", "start": 0.5, "end": 1.0}]}, [(0.5, 1.0, None, "hi")]),
        (
            {"segments": [{"start": 0, "end": 2, "text": "hi"}], "words": [{"word": "hi", "start": 0.5, "end": 1.0}]},
            [(0.5, 1.0, None, "hi")],
        ),
        ({"segments": [{"start": 0, "end": 2, "text": "hi", "speaker": "A"}]}, [(0.0, 2.0, "A", "hi")]),
        ({"text": "hi", "chunks": [{"timestamp": [0.0, None], "text": " hi"}]}, [(0.0, None, None, "hi")]),
        (
            {"transcription": [{"timestamps": {"from": "0", "to": "1"}, "offsets": {"from": 250, "to": 1000}, "text": " hi"}]},
            [(0.25, 1.0, None, "hi")],
        ),
        (
            {"segments": [{"start": 2.0, "end": 1.0, "text": "ends before it begins"}]},
            [(2.0, None, None, "ends before it begins")],
        ),
    ],
)
def test_json_of_other_programs(value: Any, expected: list[Row]) -> None:
    assert is_words_json(io.BytesIO(json.dumps(value).encode()))
    assert rows(read(value)) == expected


def test_json_with_nan_and_with_half_a_surrogate_pair() -> None:
    text = '{"segments": [{"start": NaN, "end": 1.0, "text": "a\\ud800b"}]}'
    assert rows(read(text)) == [(None, 1.0, None, "a\ufffdb")]


def test_whisper_is_told_by_members_far_behind_a_long_text() -> None:
    assert is_words_json(io.BytesIO(json.dumps({"text": "x" * 3_000_000, "segments": WHISPER["segments"]}).encode()))


@pytest.mark.parametrize("value", [{"a": 1}, [], [{"start": "monday"}], {"words": ["a"]}, {"segments": "none"}])
def test_other_json_is_not_taken_for_words(value: Any) -> None:
    assert not is_words_json(io.BytesIO(json.dumps(value).encode()))


# -------------------------------------------------------------------------------------------------------------- TextGrid
@pytest.mark.parametrize("text", [TEXTGRID, TEXTGRID_SHORT])
def test_textgrid_tiers_are_speakers(text: str) -> None:
    words = read(text)
    assert rows(words) == [
        (0.0, 1.25, "Anna", 'She said "no", 5 < 6! <exists>'),
        (2.0, 3.5, "Anna", "two\nlines"),
        (1.0, 3.0, "Bob", "Mhm"),
    ]
    assert words.left_out == ("the tier 'clicks' of points",)


def grid(**tiers: str) -> str:
    made = [f'"IntervalTier" "{name.replace("__", " - ")}" 0 1 1 0 1 "{text}"' for name, text in tiers.items()]
    return "\n".join(['"ooTextFile" "TextGrid" 0 1 <exists>', str(len(tiers)), *made])


@pytest.mark.parametrize(
    ("tiers", "expected"),
    [
        ({"words": "a", "phones": "b"}, [(None, "a")]),
        ({"utterance": "a b", "words": "a", "phones": "x"}, [(None, "a")]),
        ({"Anna__words": "a", "Anna__phones": "x", "Bob__words": "b"}, [("Anna", "a"), ("Bob", "b")]),
        ({"Anna": "a b", "Anna__words": "a", "Bob": "b c"}, [("Anna", "a"), ("Bob", "b c")]),
        ({"Anna": "a", "Bob": ""}, [("Anna", "a")]),
        ({"utterances": "a b"}, [(None, "a b")]),
    ],
)
def test_textgrid_tiers_of_words_go_before_those_made_of_them(
    tiers: dict[str, str], expected: list[tuple[str | None, str]]
) -> None:
    assert [(speaker, text) for _, _, speaker, text in rows(read(grid(**tiers)))] == expected


def test_textgrid_without_tiers() -> None:
    assert rows(read('File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<absent>\n')) == []


# ------------------------------------------------------------------------------------------------------------------ RTTM
def test_rttm_turns_have_no_text() -> None:
    words = read(RTTM)
    assert rows(words) == [(0.5, 1.75, "Anna", None), (1.5, 3.5, "Bob", None)]
    assert words.table["confidence"].to_pylist() == [0.75, None]
    assert words.table["channel"].to_pylist() == [None, None]
    assert words.of == "call"


def test_rttm_of_several_recordings_and_channels() -> None:
    one, two = read_words(
        b"SPEAKER a 1 0 1 <NA> <NA> X <NA>\nSPEAKER b 1 0 2 <NA> <NA> X <NA>\nSPEAKER b 2 1 2 <NA> <NA> Y <NA>\n"
    )
    assert (one.of, one.table["channel"].to_pylist()) == ("a", [None])
    assert (two.of, two.table["channel"].to_pylist(), two.table["end_s"].to_pylist()) == ("b", [0, 1], [2.0, 3.0])


# ------------------------------------------------------------------------------------------------------------------- all
@pytest.mark.parametrize("form", FILES)
def test_tables_have_the_declared_columns_and_count_their_rows(form: str) -> None:
    words = read(FILES[form])
    assert words.form == form.split()[0]
    declared = [name for name in schema_of("words").names if name not in ("recording_id", "source_id", "load_id")]
    assert words.table.schema.names == declared
    assert words.table["nth"].to_pylist() == [*range(len(words.table))]


@pytest.mark.parametrize("form", ["vtt", "srt", "textgrid", "textgrid short", "rttm"])
def test_forms_are_told_by_their_beginning(form: str) -> None:
    assert words_form(FILES[form][:200]) == form.split()[0]


TIMES = st.integers(0, 9_999_999).map(lambda ms: ms / 1000)
SAID = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)
CUES = st.lists(st.tuples(TIMES, TIMES, SAID).map(lambda cue: (min(cue[:2]), max(cue[:2]), cue[2])), max_size=6)


def clock(seconds: float, comma: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{comma}{ms % 1000:03d}"


@given(cues=CUES)
def test_what_is_written_is_read(cues: list[tuple[float, float, str]]) -> None:
    wanted = [(begin, end, None, text.strip()) for begin, end, text in cues if text.strip()]
    escaped = [(b, e, text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")) for b, e, text in cues]
    vtt = "WEBVTT\n" + "".join(f"\n{clock(b, '.')} --> {clock(e, '.')}\n{text}\n" for b, e, text in escaped)
    assert rows(read(vtt)) == wanted
    quoted = "".join('{} {} "{}"\n'.format(b, e, text.replace('"', '""')) for b, e, text in cues)
    assert rows(read(f'"ooTextFile"\n"TextGrid"\n0 1 <exists> 1 "IntervalTier" "" 0 1 {len(cues)}\n{quoted}')) == wanted
    segments = [{"start": begin, "end": end, "text": text} for begin, end, text in cues]
    assert rows(read({"segments": segments})) == wanted
