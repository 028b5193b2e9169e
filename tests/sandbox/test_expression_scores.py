"""What is told of scores, and that they depend on a window's own sound alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from expression_client import jpeg, measured, send_audio, send_images
from hume_client import Hume
from hypothesis import given, settings
from hypothesis import strategies as st
from made_media import Samples, silence, voice, wav

from humeanalytics import vocabulary
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.expression.audio import measure_audio
from humeanalytics.sandbox.expression.names import NEW_NAMES, names_of
from humeanalytics.sandbox.expression.probabilities import FACE_CUTOFF, VOICE_CUTOFF, tell
from humeanalytics.sandbox.expression.sound import Utterance, energies, utterances
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.speech import Stretch, find_speech

OPTIONS = SandboxOptions()
LISTS = [(model, kind) for model, kinds in vocabulary.MODELS_V1.items() for kind in kinds]

#: Pauses and speech by turns: length of the pause, of the speech, pitch, loudness.
talks = st.lists(
    st.tuples(st.integers(300, 3000), st.integers(60, 14_000), st.integers(85, 260), st.floats(0.03, 0.4)),
    min_size=1,
    max_size=5,
)


def said(talk: list[tuple[int, int, int, float]], tail_ms: int = 400) -> Samples:
    pieces = []
    for number, (pause_ms, speech_ms, pitch_hz, loudness) in enumerate(talk):
        pieces += [silence(pause_ms / 1000), voice(speech_ms / 1000, pitch_hz, loudness, number)]
    return np.concatenate([*pieces, silence(tail_ms / 1000)])


def shifted(body: dict[str, Any], by_ms: int, utterances: int, measurements: int) -> dict[str, Any]:
    """A part as it would be told of the whole."""
    times = {"audio_start_ms": by_ms, "audio_end_ms": by_ms, "utterance_id": utterances, "measurement_id": measurements}
    return {
        key: [{name: value + times.get(name, 0) if name in times else value for name, value in row.items()} for row in rows]
        for key, rows in body.items()
    }


@given(talks, st.integers(3000, 10_000), st.data())
@settings(max_examples=40)
def test_cutting_in_silence_changes_nothing(talk: list[tuple[int, int, int, float]], timer_ms: int, data: st.DataObject) -> None:
    samples = said(talk)
    whole = measure_audio(samples, timer_ms, 7, OPTIONS)
    stretches = find_speech(samples)
    ends = [0, *(stretch.end_ms for stretch in stretches)]
    begins = [*(stretch.begin_ms for stretch in stretches), len(samples) // 16]
    spots = [(end + 125, begin) for end, begin in zip(ends, begins, strict=True) if begin > end + 125]
    cuts = sorted({data.draw(st.integers(*spot)) for spot in data.draw(st.lists(st.sampled_from(spots), max_size=3))})
    stitched: dict[str, list[Any]] = {"utterances": [], "measurements": []}
    for begin_ms, end_ms in zip([0, *cuts], [*cuts, None], strict=True):
        part = samples[begin_ms * 16 : None if end_ms is None else end_ms * 16]
        found = measure_audio(part, timer_ms, 7, OPTIONS)
        for key, rows in shifted(found, begin_ms, len(stitched["utterances"]), len(stitched["measurements"])).items():
            stitched[key] += rows
    assert stitched == whole


@given(talks)
@settings(max_examples=30)
def test_speech_is_where_the_other_detector_hears_it(talk: list[tuple[int, int, int, float]]) -> None:
    samples = said(talk)
    assert utterances(energies(samples), 250) == find_speech(samples)


@given(talks, st.integers(2, 9))
@settings(max_examples=20)
def test_nothing_depends_on_how_much_is_read_at_once(talk: list[tuple[int, int, int, float]], block: int) -> None:
    samples = said(talk)
    whole = measure_audio(samples, 3000, 7, OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("humeanalytics.sandbox.expression.sound._BLOCK_HOPS", 37 * block)
        assert measure_audio(samples, 3000, 7, OPTIONS) == whole


@given(talks)
@settings(max_examples=30)
def test_a_window_is_what_its_own_samples_make_it(talk: list[tuple[int, int, int, float]]) -> None:
    samples = said(talk)
    energy = energies(samples)
    for stretch in utterances(energy, 250):
        sound = Utterance(samples, energy, stretch, 40)
        begin_ms = stretch.begin_ms + (stretch.end_ms - stretch.begin_ms) // 3
        alone = np.array(samples[begin_ms * 16 : stretch.end_ms * 16])
        length_ms = stretch.end_ms - begin_ms
        features = Utterance(alone, energies(alone), Stretch(0, length_ms), 0).features(0, length_ms)
        assert sound.features(begin_ms, stretch.end_ms) == features
        assert np.isfinite(features).all()


def rows(seed: int, model: str, kind: str, count: int = 200) -> list[list[dict[str, Any]]]:
    width = 8 if model == "audio" else 12
    return tell(seed, model, kind, np.random.default_rng(1).normal(0, 1.3, (count, width)).clip(-2.4, 2.4))


@pytest.mark.parametrize(("model", "kind"), LISTS)
def test_scores_are_told_as_they_should_be(model: str, kind: str) -> None:
    told = rows(7, model, kind)
    names = set(names_of(model, kind))
    for scores in told:
        values = [score["probability"] for score in scores]
        assert values == sorted(values, reverse=True)
        assert all(0 <= value <= 1 and value == round(value, 4) for value in values)
        assert len({score["name"] for score in scores}) == len(scores)
        assert all(set(score) == {"name", "probability"} and score["name"] in names for score in scores)
    lengths = {len(scores) for scores in told}
    assert len(lengths) > 3 and max(lengths) < len(names)
    lowest = min(score["probability"] for scores in told for score in scores)
    if kind == "voice_attribute":
        assert VOICE_CUTOFF <= lowest < 0.74
    elif model == "video":
        assert FACE_CUTOFF < lowest < 0.105
    else:  # each name has its own threshold
        lows = {}
        for scores in told:
            for score in scores:
                lows[score["name"]] = min(score["probability"], lows.get(score["name"], 1))
        assert max(lows.values()) > 0.5 and min(lows.values()) < 0.2


def test_of_equals_the_name_decides_or_what_lies_beneath(monkeypatch: pytest.MonkeyPatch) -> None:
    def shares(seed: int, purpose: str, names: tuple[str, ...], features: Any) -> Any:
        return 0.99 - 1e-9 * (np.arange(len(names))[None, :] % 5)  # names differ in the ninth decimal

    monkeypatch.setattr("humeanalytics.sandbox.scores.shares", shares)
    flat = (np.zeros(415), np.ones(415), np.zeros(415))
    monkeypatch.setattr(
        "humeanalytics.sandbox.expression.probabilities._ranges",
        lambda model, kind: [part[: len(names_of(model, kind))] for part in flat],
    )
    (video,) = tell(7, "video", "expression", np.zeros((1, 12)))
    names = [score["name"] for score in video]
    assert len({score["probability"] for score in video}) == 1 and names == sorted(names) and len(names) == 48
    (audio,) = tell(7, "audio", "expression", np.zeros((1, 8)))
    told = [score["name"] for score in audio]
    assert len({score["probability"] for score in audio}) == 1 and len(told) == 415 and told != sorted(told)
    assert told == sorted(told, key=lambda name: (names_of("audio", "expression").index(name) % 5, name))


@pytest.mark.parametrize(("model", "kind"), LISTS)
def test_there_are_as_many_names_as_hume_says(model: str, kind: str) -> None:
    names = names_of(model, kind)
    assert len(set(names)) == vocabulary.MODELS_V1[model][kind]
    assert {name.name for name in vocabulary.names_v1_of(model, kind)} <= set(names)
    assert all(name == name.lower() for name in names) and not set(NEW_NAMES) & set(names)


def test_content_and_seed_settle_everything(shared: Hume) -> None:
    sound, pictures = wav(voice(5), silence(0.5)), [jpeg(640, 480)]
    with Sandbox(seed=7) as same, Hume(same.url) as again, Sandbox(seed=8) as other, Hume(other.url) as different:
        for send, what in ((send_audio, sound), (send_images, pictures)):
            one, two, three = (measured(send(hume, what))["measurements"] for hume in (shared, again, different))  # type: ignore[operator]
            assert one == two != three


def test_alike_sounds_score_alike() -> None:
    base = np.concatenate([silence(0.4), voice(4, 120, 0.2), silence(0.4)])
    near = np.asarray(base * 1.01, np.int16)
    far = np.concatenate([silence(0.4), voice(4, 240, 0.05, 9), silence(0.4)])

    def scores(samples: Samples) -> dict[str, float]:
        (*_, last) = measure_audio(samples, 3000, 7, OPTIONS)["measurements"]
        return {score["name"]: score["probability"] for score in last["voice_attributes"]}

    def apart(one: dict[str, float], other: dict[str, float]) -> float:
        return sum(abs(one.get(name, VOICE_CUTOFF) - other.get(name, VOICE_CUTOFF)) for name in {*one, *other})

    assert apart(scores(base), scores(near)) < 0.2 * apart(scores(base), scores(far))
