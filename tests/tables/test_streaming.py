"""A payload that comes in drops, through a window of any size and out in pieces of any size, gives the same rows."""

from __future__ import annotations

import io
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import FORMS, JobMaker, actual_answers, api_json, expected_answers, shuffled_keys, written

from humeanalytics.errors import HumeAnalyticsError, UnreadableResponse
from humeanalytics.tables.batch import flatten_in_pieces, flatten_predictions


class Drops(io.RawIOBase):
    """A file that gives a few bytes at a time."""

    def __init__(self, data: bytes, rng: random.Random, most: int) -> None:
        self.data, self.rng, self.most, self.at = data, rng, most, 0

    def read(self, size: int = -1) -> bytes:
        drop = self.data[self.at : self.at + self.rng.randrange(1, self.most)]
        self.at += len(drop)
        return drop

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset
        return offset


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_window_and_any_pieces_give_the_same_rows(seed: int) -> None:
    rng = random.Random(seed)
    job = JobMaker(rng, odd=0.05).job()
    payload = FORMS[rng.choice(list(FORMS))](job)
    if rng.random() < 0.5:
        payload = shuffled_keys(payload, rng)
    data = written(payload, rng)
    whole = flatten_predictions(data, by_name=True)
    most, window, rows = rng.choice([2, 20, 3000]), rng.choice([16, 100, 1000, 10_000]), rng.choice([None, 1, 5])
    pieces = list(flatten_in_pieces(Drops(data, rng, max(most, len(data) // 400)), rows=rows, window_bytes=window))
    found = [answer for piece in pieces for answer in actual_answers(piece, with_fields=False)]
    assert found == actual_answers(whole, with_fields=False)
    last = pieces[-1]
    assert [f for piece in pieces for f in piece.failures] == list(whole.failures)
    assert (last.dialect, last.job_id, last.scores_rounded, last.names_doubled) == (
        whole.dialect,
        whole.job_id,
        whole.scores_rounded,
        whole.names_doubled,
    )
    if rows is None:
        assert pieces == [whole]
    assert [a.fingerprint for piece in pieces for a in piece.answers] == [a.fingerprint for a in whole.answers]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_broken_is_told_the_same_whatever_the_window(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(written(api_json(JobMaker(rng, odd=0.05).job()), rng))
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(len(data))
        data[at : at + rng.choice([0, 1, 9])] = rng.choice([b"", b"[", b"}", b'"', b"\\", b"\xff", b"null", b"-", b",", b"]}"])
    with_window = bytes(data)

    def outcome(window: int) -> object:
        try:
            flat = [actual_answers(piece) for piece in flatten_in_pieces(with_window, rows=None, window_bytes=window)]
        except HumeAnalyticsError as error:
            return type(error)
        return flat

    assert outcome(200) == outcome(1 << 20)


def test_truncation_at_any_byte_is_told_through_a_small_window() -> None:
    rng = random.Random(11)
    data = json.dumps(api_json(JobMaker(rng, rows=2).job())).encode()
    step = max(1, len(data) // 150)
    for cut in range(1, len(data) - 1, step):
        with pytest.raises(UnreadableResponse) as caught:
            list(flatten_in_pieces(data[:cut], window_bytes=300))
        assert "cut off" in str(caught.value) or "nothing but" in str(caught.value)


def test_the_place_of_what_is_broken_is_told_whatever_was_cut_out_before_it() -> None:
    rng = random.Random(12)
    text = ""
    while text.count('"prob": ') < 40:
        text = json.dumps(api_json(JobMaker(rng, models=("face",), rows=40).job()))
    at = text.rindex('"prob": ') + 8
    data = (text[:at] + "x" + text[at:]).encode()
    for window in (300, 1 << 20):
        with pytest.raises(UnreadableResponse, match=f"malformed at byte {at}: "):
            list(flatten_in_pieces(data, window_bytes=window))
        with pytest.raises(UnreadableResponse, match=f"malformed at byte {at}: "):
            list(flatten_in_pieces(io.BytesIO(data), window_bytes=window))


def test_a_file_is_read_from_where_it_stands() -> None:
    data = json.dumps(api_json(JobMaker(random.Random(1)).job())).encode()
    file = io.BytesIO(b"%%" + data)
    file.seek(2)
    assert flatten_predictions(file) == flatten_predictions(data)


def test_a_stream_that_cannot_seek_is_read_too() -> None:
    rng = random.Random(2)
    job = JobMaker(rng).job()
    drops = Drops(json.dumps(api_json(job)).encode(), rng, 1000)
    drops.seekable = lambda: False  # type: ignore[method-assign]
    assert actual_answers(flatten_predictions(drops)) == expected_answers(job)
    broken = Drops(json.dumps(api_json(job)).encode()[:-20], rng, 1000)
    broken.seekable = lambda: False  # type: ignore[method-assign]
    with pytest.raises(UnreadableResponse, match="cut off"):
        flatten_predictions(broken)


def test_pieces_end_with_whole_predictions() -> None:
    job = JobMaker(random.Random(5), models=("face", "prosody"), rows=9).job() + JobMaker(random.Random(6), rows=9).job()
    pieces = list(flatten_in_pieces(json.dumps(api_json(job)).encode(), rows=3))
    assert len(pieces) > 2
    for piece in pieces:
        assert sum(answer.rows for answer in piece.answers) == sum(map(len, piece.tables.values()))
    assert [answer for piece in pieces for answer in actual_answers(piece)] == expected_answers(job)
