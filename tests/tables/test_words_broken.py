"""A file of words that is broken, or was never one, gives an error of ours that says where and why."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from word_files import FILES

from humeanalytics.errors import HumeAnalyticsError, NotHumeData, UnreadableResponse
from humeanalytics.tables.words import is_words_json, read_words, words_form

GRID = '"ooTextFile"\n"TextGrid"\n0 1 <exists> '


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("WEBVTT\n\n00:01.000 --> monday\nHi", "line 3: these are no times of a cue"),
        ("WEBVTT\n\n00:02.000 --> 00:01.000\nHi", "line 3: it ends at 1.000 s, before it begins, at 2.000 s"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nHi <00:03.000>you", "line 3: the time <00:03.000> within the cue is not in order"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n00:02.000 --> 00:03.000\nyou", "line 5: a cue begins here without a blank line"),
        ("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n", "line 2: its times are on the clock of a stream"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHi\n\n2\n00:00:02,000 -->\nyou", "line 6: these are no times of a cue"),
        ('{"segments": [{"start": 1, "end": 2}]}', "$.segments[0]: there is no text in it; its keys are start, end"),
        ('{"segments": [{"start": "1", "end": 2, "text": "a"}]}', "$.segments[0].start: this is no number"),
        ('{"segments": [{"start": true, "end": 2, "text": "a"}]}', "$.segments[0].start: this is no number"),
        ('{"segments": [{"start": 1, "end": 2, "text": 3}]}', "$.segments[0].text: this is no text"),
        ('{"segments": [3]}', "$.segments[0]: this is no object"),
        ('{"segments": {}}', "$.segments: this is no list"),
        ('{"segments": [{"words": [{"start": 1}]}]}', "$.segments[0].words[0]: there is no word in it; its keys are start"),
        ('{"text": "a"}', "$: there are no segments and no words in it; its keys are text"),
        ('{"segments": [}', "line 1, column 15: the JSON is malformed"),
        ('{"segments": [{"start": 1' + "0" * 400 + ', "text": "a"}]}', "$.segments[0].start: this number is too large"),
        ('{"segments": [{"start": 1' + "0" * 5000 + ', "text": "a"}]}', "$: there is a number in it that is too long"),
        ("[" * 200_000, "$: it is nested deeper than any transcript"),
        (GRID + '1 "IntervalTier" "Anna" 0 1 2 0 1 "a"', "line 3: the file ends where the begin of an interval should stand"),
        (GRID + '1 "IntervalTier" "Anna" 0 1 1 1 0 "a"', "line 3: it ends at 0.000 s, before it begins"),
        (GRID + '1 "IntervalTier" "Anna" 0 1 1 0 1 2 "a"', "line 3: 2 is not a text, where the text of an interval should stand"),
        (GRID + '1 "IntervalTier" "Anna" 0 1 1 0 1 "a', "line 3: a quote is opened and never closed"),
        (GRID + '1 "IntervalTier" "Anna" 0 1 1 "0" 1 "a"', "line 3: a text stands where the begin of an interval should"),
        (GRID + '1.5 "IntervalTier"', "line 3: 1.5 is not the number of tiers"),
        (GRID + '1 "FormantTier" "F" 0 1 0', "line 3: a tier of the class 'FormantTier' is not known"),
        ('"ooTextFile"\n"TextGrid"\n0 1 2', "line 3: <exists> or <absent> should stand here"),
        ("SPEAKER a 1 x 1 <NA> <NA> A <NA>", "line 1: x and 1 are not the begin and the length of a turn, in seconds"),
        ("SPEAKER a 1 0 -1 <NA> <NA> A <NA>", "line 1: 0 and -1 are not the begin and the length"),
        ("SPEAKER a 1 0 1 <NA> <NA> A <NA>\nSPEAKER a 1 0 1", "line 2: there are 5 fields; a turn of RTTM has 9 or 10"),
        ("SPEAKER a 1 0 1 <NA> <NA> A <NA>\nhello", "line 2: 'hello' is no type of RTTM"),
        ("SPEAKER a x 0 1 <NA> <NA> A <NA>\nSPEAKER a y 0 1 <NA> <NA> A <NA>", "line 1: 'x' is no channel"),
    ],
)
def test_errors_name_the_file_the_place_and_the_reason(text: str, place: str) -> None:
    with pytest.raises(UnreadableResponse) as caught:
        read_words(text.encode(), name="talk")
    assert str(caught.value).startswith(f"talk: {place}")
    assert caught.value.item == "talk"
    assert not isinstance(caught.value, NotHumeData)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "this is an empty file, not a transcript"),
        (b"Dear diary,\nnothing happened --> today", "this is text that is no JSON, not a transcript"),
        (b"\x89PNG\r\n", "this is a PNG image, not a transcript"),
        (b"ooBinaryFile\x08TextGrid\0\0", "this is a TextGrid in Praat's binary form. Save it as a text file"),
    ],
)
def test_what_is_no_transcript_is_told_for_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(NotHumeData, match=reason):
        read_words(data, name="talk")


def test_another_encoding_is_told_with_its_byte() -> None:
    with pytest.raises(UnreadableResponse, match=r"talk: byte 34 is not UTF-8\. Save the file as UTF-8"):
        read_words("WEBVTT\n\n00:01.000 --> 00:02.000\nGrüße".encode("latin-1"), name="talk")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A file of any form with some of it cut out, doubled or written over."""
    data = bytearray(draw(st.sampled_from(sorted(FILES.values()))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(("cut", "double", "write", "swap")))
        if kind == "cut":
            del data[start:end]
        elif kind == "double":
            data[start:start] = data[start:end]
        elif kind == "write":
            data[start:end] = draw(
                st.binary(max_size=8) | st.sampled_from((b'"', b"-1", b"1e999", b"nan", b"\n\n", b"-->", b"<v x>"))
            )
        else:
            data[start:end] = data[start:end][::-1]
    return bytes(data)


@given(data=mutated() | st.binary(max_size=60).map(lambda tail: b"WEBVTT\n\n" + tail))
@example(data=b'{"segments": [{"start": Infinity, "end": -Infinity, "text": "a"}]}')
@example(data=b"\xff\xfeW\xd8")
@example(data=b"SPEAKER a 1 1e308 1e308 <NA> <NA> A <NA>")
def test_mutated_files_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    words_form(data)
    is_words_json(io.BytesIO(data))
    try:
        found = read_words(data, name="talk")
    except HumeAnalyticsError as error:
        assert str(error).startswith("talk: ")
        return
    for words in found:
        words.table.validate(full=True)
        for row in words.table.to_pylist():
            for time in (row["begin_s"], row["end_s"]):
                assert time is None or abs(time) < float("inf")
            assert row["begin_s"] is None or row["end_s"] is None or row["begin_s"] <= row["end_s"]
            assert row["text"] is None or json.dumps(row["text"]).encode()


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "segments",
                        "words",
                        "word",
                        "text",
                        "start",
                        "end",
                        "speaker",
                        "timestamp",
                        "offsets",
                        "from",
                        "chunks",
                        "language",
                        "result",
                        "score",
                        "word_segments",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        read_words(json.dumps({"segments": value} if not isinstance(value, dict | list) else value).encode(), name="talk")
    except HumeAnalyticsError as error:
        assert str(error).startswith("talk: ")
