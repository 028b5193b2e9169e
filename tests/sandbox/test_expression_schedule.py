"""When utterances are measured: the documented flows, and what holds for any utterance and timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from expression_client import measured, send_audio
from hume_client import Hume
from hypothesis import given
from hypothesis import strategies as st
from made_media import RATE_HZ, Samples, voice, wav

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.expression.schedule import SETTLED_MS, WINDOW_MS, windows

SandboxWith = Callable[..., tuple[Sandbox, Hume]]

#: 31.4 s of audio with two utterances, at the default timer.
WORKED_EXAMPLE = [
    (0, 412, 3412, "interval"),
    (0, 412, 6412, "interval"),
    (0, 412, 7655, "speech_ended"),
    (1, 12040, 15040, "interval"),
    (1, 12040, 18040, "interval"),
    (1, 12040, 21040, "interval"),
    (1, 14040, 24040, "interval"),
    (1, 17040, 27040, "interval"),
]
#: Speech from 98 ms on that has not ended at 26 s, when the audio does.
DOCUMENTED_FLOW = [
    *((98, 98 + 3000 * n, "interval") for n in (1, 2, 3)),
    *((98 + 3000 * n - 10_000, 98 + 3000 * n, "interval") for n in (4, 5, 6, 7, 8)),
    (16_000, 26_000, "speech_ended"),
]


def spoken(spans_ms: list[tuple[int, int]], length_ms: int) -> Samples:
    """Speech at exactly these times, in silence."""
    samples = np.zeros(length_ms * RATE_HZ // 1000, np.int16)
    for number, (begin, end) in enumerate(spans_ms):
        sound = voice((end - begin) / 1000, seed=number)
        samples[begin * 16 : end * 16] = np.where(np.abs(sound) < 2000, 2000, sound)  # loud in every millisecond
    return samples


def taken(body: dict[str, Any]) -> list[tuple[int, int, int, str]]:
    return [(m["utterance_id"], m["audio_start_ms"], m["audio_end_ms"], m["trigger"]) for m in body["measurements"]]


def test_the_worked_example(shared: Hume) -> None:
    body = measured(send_audio(shared, wav(spoken([(412, 7655), (12040, 27310)], 31_400))))
    assert body["received"] == {"audio_duration_ms": 31_400}
    assert [tuple(utterance.values()) for utterance in body["utterances"]] == [(0, 412, 7655), (1, 12040, 27310)]
    assert taken(body) == WORKED_EXAMPLE
    assert [m["measurement_id"] for m in body["measurements"]] == list(range(8))


def test_the_documented_flow(shared: Hume) -> None:
    body = measured(send_audio(shared, wav(spoken([(98, 26_000)], 26_000))))
    assert [row[1:] for row in taken(body)] == DOCUMENTED_FLOW
    assert body["utterances"] == [{"utterance_id": 0, "audio_start_ms": 98, "audio_end_ms": 26_000}]


@pytest.mark.parametrize("timer_ms", [3000, 4321, 10_000])
def test_the_timer_is_the_configs(shared: Hume, timer_ms: int) -> None:
    body = measured(send_audio(shared, wav(spoken([(100, 25_100)], 26_000)), {"measurement_timer_ms": timer_ms}))
    ends = [end - 100 for _, _, end, trigger in taken(body) if trigger == "interval"]
    assert ends == list(range(timer_ms, 25_001, timer_ms))
    if timer_ms == 10_000:  # there they meet end to end
        assert [row[1:3] for row in taken(body)][:2] == [(100, 10_100), (10_100, 20_100)]


def test_an_interval_due_as_speech_stops_ends_after_the_utterance(sandbox_with: SandboxWith) -> None:
    speech = wav(spoken([(500, 3480), (5000, 7900)], 9000))
    _, hume = sandbox_with()
    body = measured(send_audio(hume, speech))
    assert [u["audio_end_ms"] for u in body["utterances"]] == [3480, 7900]
    assert taken(body) == [(0, 500, 3500, "interval"), (1, 5000, 7900, "speech_ended")]
    _, punctual = sandbox_with(expression_late_interval_ms=0)
    assert taken(measured(send_audio(punctual, speech)))[0] == (0, 500, 3480, "speech_ended")


def test_no_interval_is_taken_beyond_the_end_of_the_audio(shared: Hume) -> None:
    body = measured(send_audio(shared, wav(spoken([(500, 3480)], 3490))))
    assert taken(body) == [(0, 500, 3480, "speech_ended")]


def test_how_long_a_pause_parts_utterances_is_an_option(sandbox_with: SandboxWith) -> None:
    speech = wav(spoken([(100, 1000), (1500, 2500)], 3000))
    for pause_ms, utterances in ((250, 2), (499, 2), (501, 1)):
        _, hume = sandbox_with(expression_pause_ms=pause_ms)
        assert len(measured(send_audio(hume, speech))["utterances"]) == utterances


def test_silence_gives_nothing_and_costs_all_the_same(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    body = measured(send_audio(hume, wav(np.zeros(20 * RATE_HZ, np.int16))))
    assert (body["utterances"], body["measurements"], len(sandbox.submissions())) == ([], [], 1)


@given(st.integers(0, 10**7), st.integers(50, 200_000), st.integers(3000, 10_000), st.integers(0, 100))
def test_every_utterance_is_measured_as_it_should_be(begin_ms: int, length_ms: int, timer_ms: int, tail_ms: int) -> None:
    end_ms = begin_ms + length_ms
    found = list(windows(begin_ms, end_ms, timer_ms, end_ms + tail_ms))
    assert found
    intervals = [window for window in found if window.trigger == "interval"]
    assert [window.end_ms - begin_ms for window in intervals] == list(range(timer_ms, length_ms + tail_ms + 1, timer_ms))
    for window in found:
        assert window.begin_ms == max(begin_ms, window.end_ms - WINDOW_MS)
    ended = [window for window in found if window.trigger == "speech_ended"]
    assert found == intervals + ended
    before = intervals[-1].end_ms if intervals else None
    assert [window.end_ms for window in ended] == [end_ms] * (before is None or end_ms - before >= SETTLED_MS)
