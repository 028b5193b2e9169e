"""The detector of speech: exact, deaf to where a recording was cut, and blind to all but a window's own samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from made_media import Samples, silence, voice

from humeanalytics.sandbox.speech import (
    GAP_MS,
    HOP_SAMPLES,
    SPEECH_RMS,
    Stretch,
    cut,
    features,
    find_speech,
    is_low_voice,
    rms,
)


def noise(ms: int, loudness: float, seed: int) -> Samples:
    draw = np.random.default_rng(seed)
    return np.asarray(draw.choice([-1, 1], ms * HOP_SAMPLES) * loudness * 32767, np.int16)


layouts = st.lists(
    st.tuples(
        st.integers(GAP_MS + 1, 900),  # silence before
        st.integers(50, 1200),  # speech
        st.floats(0.011, 0.9),  # loudness
        st.integers(0, 2**16),
    ),
    min_size=1,
    max_size=6,
)


def laid_out(layout: list[tuple[int, int, float, int]], tail_ms: int = 300) -> tuple[Samples, list[Stretch]]:
    pieces, stretches, at = [], [], 0
    for gap_ms, length_ms, loudness, seed in layout:
        pieces += [np.zeros(gap_ms * HOP_SAMPLES, np.int16), noise(length_ms, loudness, seed)]
        stretches.append(Stretch(at + gap_ms, at + gap_ms + length_ms))
        at += gap_ms + length_ms
    return np.concatenate([*pieces, np.zeros(tail_ms * HOP_SAMPLES, np.int16)]), stretches


@given(layouts)
@settings(deadline=None)
def test_stretches_are_found_to_the_millisecond(layout: list[tuple[int, int, float, int]]) -> None:
    samples, stretches = laid_out(layout)
    assert find_speech(samples) == stretches


@given(layouts, st.data())
@settings(max_examples=60, deadline=None)
def test_a_stretch_is_the_same_wherever_the_recording_was_cut(
    layout: list[tuple[int, int, float, int]], data: st.DataObject
) -> None:
    samples, stretches = laid_out(layout)
    first = data.draw(st.integers(0, len(stretches) - 1))
    last = data.draw(st.integers(first, len(stretches) - 1))
    begin_ms = data.draw(st.integers(stretches[first - 1].end_ms if first else 0, stretches[first].begin_ms))
    following = stretches[last + 1].begin_ms if last + 1 < len(stretches) else len(samples) // HOP_SAMPLES
    end_ms = data.draw(st.integers(stretches[last].end_ms, following))
    piece = cut(samples, begin_ms, end_ms)
    found = find_speech(piece)
    assert [Stretch(s.begin_ms + begin_ms, s.end_ms + begin_ms) for s in found] == stretches[first : last + 1]
    for own, whole in zip(found, stretches[first : last + 1], strict=True):
        here, there = cut(piece, own.begin_ms, own.end_ms), cut(samples, whole.begin_ms, whole.end_ms)
        assert features(here).tobytes() == features(there).tobytes()
        assert is_low_voice(here) == is_low_voice(there)


def test_the_threshold_is_absolute() -> None:
    loud, quiet = noise(500, 0.9, 1), noise(500, SPEECH_RMS * 0.9, 2)
    gap = silence(0.5)
    assert find_speech(quiet) == []
    assert find_speech(np.concatenate([loud, gap, quiet])) == find_speech(loud)


def test_a_click_is_no_speech_and_a_breath_does_not_part_it() -> None:
    assert find_speech(np.concatenate([silence(0.3), noise(20, 0.9, 1), silence(0.5)])) == []
    parted = np.concatenate([noise(200, 0.3, 1), np.zeros((GAP_MS - 10) * HOP_SAMPLES, np.int16), noise(200, 0.3, 2)])
    assert find_speech(parted) == [Stretch(0, 400 + GAP_MS - 10)]


def test_nothing_at_all() -> None:
    assert find_speech(np.empty(0, np.int16)) == []
    assert find_speech(silence(2)) == []
    assert np.isfinite(features(np.empty(0, np.int16))).all()
    assert np.isfinite(features(silence(0.1))).all()


def test_long_recordings_are_read_block_by_block() -> None:
    block = np.concatenate([silence(59.5), voice(1.0)])  # a stretch across the edge of a block of 60 s
    samples = np.concatenate([block, silence(60), voice(0.5)])
    begin = [stretch.begin_ms for stretch in find_speech(samples)]
    assert len(begin) == 2
    assert abs(begin[0] - 59_500) <= 2 and abs(begin[1] - 120_500) <= 2


def test_low_voices_are_told_from_high_ones() -> None:
    assert [is_low_voice(voice(0.6, pitch, seed=pitch)) for pitch in (85, 100, 120, 140)] == [True] * 4
    assert [is_low_voice(voice(0.6, pitch, seed=pitch)) for pitch in (165, 200, 250, 300)] == [False] * 4


def test_loudness() -> None:
    assert abs(rms(voice(1, loudness=0.2)) - 0.2) < 0.002
    assert features(voice(1, loudness=0.3))[1] > features(voice(1, loudness=0.1))[1]
