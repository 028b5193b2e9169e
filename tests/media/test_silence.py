"""Where a long sound is cut: in silence whenever there is some, and so that no detector can tell."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from humeanalytics.media.chunks import ChunkWriter
from humeanalytics.media.silence import Cut, find_cut
from humeanalytics.sandbox.speech import find_speech

RATE_HZ = 16_000
LIMIT_S = 30
LIMIT = LIMIT_S * RATE_HZ

Plan = list[tuple[int, int]]
#: Turns of a recording: for how many samples somebody speaks, and for how many nobody does.
pauses = st.one_of(st.integers(0, RATE_HZ + 100), st.integers(RATE_HZ, 3 * RATE_HZ))
plans = st.lists(st.tuples(st.integers(2 * RATE_HZ, 12 * RATE_HZ), pauses), min_size=5, max_size=14)


def recording(plan: Plan, level: float = 3000.0) -> np.ndarray:
    rng = np.random.default_rng(len(plan))
    parts = [part for speech, pause in plan for part in (rng.normal(0, level, speech), rng.normal(0, 3, pause))]
    return np.concatenate(parts).clip(-32_768, 32_767).astype(np.int16)


def cuts(sound: np.ndarray, limit: int = LIMIT) -> list[tuple[int, Cut]]:
    """Cut again and again; each cut with the place where its piece began."""
    found, begin = [], 0
    while len(sound) - begin > limit:
        cut = find_cut(sound[begin:], limit)
        found.append((begin, cut))
        begin += cut.at
    return found


def is_silent_around(sound: np.ndarray, at: int) -> bool:
    """By the sandbox's measure: half a second on both sides in which no millisecond has a root mean square of 0.01."""
    around = sound[at - 8000 : at + 8000].astype(np.float64).reshape(-1, 16)
    return len(around) == 1000 and bool((np.sqrt((around**2).mean(axis=1)) < 0.01 * 32_768).all())


@settings(max_examples=60)
@given(plans)
def test_pieces_are_within_the_limit_and_cut_at_whole_milliseconds(plan: Plan) -> None:
    sound = recording(plan)
    ends = [begin + cut.at for begin, cut in cuts(sound)]
    pieces = np.diff([0, *ends, len(sound)])
    assert pieces.sum() == len(sound)
    assert all(end % 16 == 0 for end in ends)
    assert (pieces <= LIMIT).all()
    if ends:
        assert (pieces >= 10 * RATE_HZ).all(), "Hume bills 10 s at least"


@settings(max_examples=60)
@given(plans)
def test_a_cut_is_in_silence_exactly_when_there_is_silence(plan: Plan) -> None:
    sound = recording(plan)
    for begin, cut in cuts(sound):
        piece = sound[begin:]
        earliest, latest = 10 * RATE_HZ, min(LIMIT, len(piece) - 10 * RATE_HZ)
        possible = [at for at in range(earliest, latest // 16 * 16 + 1, 16 * 50) if is_silent_around(piece, at)]
        if possible:
            assert cut.kind == "silence"
        assert is_silent_around(piece, cut.at) == (cut.kind == "silence")


@settings(max_examples=60)
@given(plans)
def test_what_is_far_behind_a_cut_does_not_move_it(plan: Plan) -> None:
    sound = recording(plan)
    for begin, cut in cuts(sound):
        if len(sound) - begin >= LIMIT + 10 * RATE_HZ:
            assert find_cut(sound[begin : begin + LIMIT + 10 * RATE_HZ], LIMIT) == cut


@settings(max_examples=60)
@given(plans, st.sampled_from([400.0, 3000.0, 12_000.0]))
def test_speech_is_found_at_the_same_times_in_the_pieces_as_in_the_whole(plan: Plan, level: float) -> None:
    sound = recording(plan, level)
    made = cuts(sound)
    event(f"{len(made)} cuts, {sum(cut.kind == 'hard' for _, cut in made)} hard")
    edges = [0, *(begin + cut.at for begin, cut in made), len(sound)]
    found = [
        (stretch.begin_ms + begin // 16, stretch.end_ms + begin // 16)
        for begin, end in pairwise(edges)
        for stretch in find_speech(sound[begin:end])
    ]
    whole = [(stretch.begin_ms, stretch.end_ms) for stretch in find_speech(sound)]
    hard_ms = [(begin + cut.at) // 16 for begin, cut in made if cut.kind == "hard"]
    broken = [(first, last) for first, last in whole if any(first < cut_ms < last for cut_ms in hard_ms)]
    assert len(broken) <= len(hard_ms)
    assert [each for each in found if not any(first <= each[0] and each[1] <= last for first, last in broken)] == [
        each for each in whole if each not in broken
    ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans, st.integers(4000, 20 * RATE_HZ))
def test_cutting_on_disk_cuts_where_cutting_in_memory_does(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan, block: int
) -> None:
    sound = recording(plan)
    writer = ChunkWriter(tmp_path_factory.mktemp("chunks"), None, LIMIT_S)
    chunks = [chunk for first in range(0, len(sound), block) for chunk in writer.write(sound[first : first + block])]
    chunks.extend(writer.finish())
    made = cuts(sound)
    assert [chunk.offset for chunk in chunks] == [0, *(begin + cut.at for begin, cut in made)]
    assert [chunk.ends for chunk in chunks] == [*(cut.kind for _, cut in made), "recording"]
    joined = np.concatenate([np.fromfile(chunk.path, "<i2", offset=44) for chunk in chunks])
    assert np.array_equal(joined, sound)


def talk(duration_s: float, *silences_s: tuple[float, float], level: float = 3000.0, floor: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(7)
    sound = rng.normal(0, level, int(duration_s * RATE_HZ))
    for begin_s, end_s in silences_s:
        begin, end = int(begin_s * RATE_HZ), int(end_s * RATE_HZ)
        sound[begin:end] = rng.normal(0, floor, end - begin) if floor else 0.0
    return sound.clip(-32_768, 32_767).astype(np.int16)


def cut_s(sound: np.ndarray, limit_s: float) -> tuple[float, str]:
    cut = find_cut(sound, int(limit_s * RATE_HZ))
    return cut.at / RATE_HZ, cut.kind


def test_the_longest_pause_of_the_last_two_minutes_is_cut_in_its_middle() -> None:
    sound = talk(320, (100, 140), (190, 194), (240, 243), (290, 291.2))
    assert cut_s(sound, 300) == (192.0, "silence")


def test_without_a_pause_in_the_last_two_minutes_an_earlier_one_is_cut() -> None:
    assert cut_s(talk(320, (30, 40), (100, 103), (250, 250.9)), 300) == (101.5, "silence")


def test_of_a_very_long_pause_the_end_is_cut_so_that_chunks_stay_long() -> None:
    assert cut_s(talk(320, (150, 290)), 300) == (285.0, "silence")
    assert cut_s(np.zeros(320 * RATE_HZ, np.int16), 300) == (300.0, "silence")


def test_a_pause_that_reaches_over_the_limit_is_used_up_to_it() -> None:
    assert cut_s(talk(320, (299, 309)), 300) == (300.0, "silence")


def test_shorter_pauses_are_hard_cuts_at_their_quietest() -> None:
    at_s, kind = cut_s(talk(320, (120, 120.9), (230, 230.3)), 300)
    assert kind == "hard" and 230 <= at_s <= 230.3, "in the last two minutes"


def test_the_noise_of_a_room_is_silence_and_whispering_is_not() -> None:
    room = talk(320, (250, 252), floor=60.0)  # -55 dB below full scale, speech at -21
    assert cut_s(room, 300) == (251.0, "silence")
    whispered = talk(320, (250, 252), level=200.0, floor=60.0)  # speech at -44 dB, 10 dB above the "pause"
    assert cut_s(whispered, 300)[1] == "hard"


def test_quiet_speech_is_not_taken_for_silence() -> None:
    quiet = talk(320, (250, 252), level=150.0)  # all of it below -40 dB
    assert cut_s(quiet, 300) == (251.0, "silence")
    assert cut_s(talk(320, level=150.0), 300)[1] == "hard"


def test_a_few_clicks_do_not_make_noise_into_silence() -> None:
    sound = talk(320, level=100.0)
    sound[:: RATE_HZ * 2] = 32_000
    assert cut_s(sound, 300)[1] == "hard"


def test_what_needs_no_cut_or_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="need no cut"):
        find_cut(np.zeros(LIMIT, np.int16), LIMIT)
    with pytest.raises(ValueError, match="no room"):
        find_cut(np.zeros(40 * RATE_HZ, np.int16), 20 * RATE_HZ)
