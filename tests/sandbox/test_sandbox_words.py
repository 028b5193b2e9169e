"""Words, passages, languages and names in a text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.sandbox.words import GRANULARITIES, entities, language_of, passages, split_words


@given(st.text(max_size=200), st.sampled_from(GRANULARITIES))
@settings(deadline=None)
def test_positions_point_at_the_text_and_nothing_is_left_out(text: str, granularity: str) -> None:
    words = split_words(text)
    found = passages(text, words, granularity)
    assert [word for passage in found for word in passage.words] == words
    assert all(text[p.begin : p.end] == p.text for p in found)
    assert "".join(word.text for word in words) == "".join(text.split())
    for entity in entities(text, words):
        assert text[entity.begin : entity.end] == entity.name


def test_granularities_of_a_written_text() -> None:
    text = 'We went home. "Really?" Yes!'
    words = split_words(text)
    sentences = ["We went home.", '"Really?"', "Yes!"]
    assert [p.text for p in passages(text, words, "word")] == text.split()
    assert [p.text for p in passages(text, words, "sentence")] == sentences
    assert [p.text for p in passages(text, words, "utterance")] == sentences
    assert [p.text for p in passages(text, words, "conversational_turn")] == [text]


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    assert [w.text for w in split_words("我爱你。ok")] == ["我", "爱", "你", "。ok"]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "I think that this is the one you want."),
        ("de", "Ich weiß nicht, ob das der richtige Weg ist."),
        ("fr", "Je ne sais pas, il est dans la maison avec des amis."),
        ("es", "No sé por qué el tren no está en la estación."),
        ("ja", "これは何ですか"),
        ("ko", "안녕하세요"),
        ("zh", "我不知道"),
        ("ru", "Я не знаю"),
        ("uk", "Я не знаю, що це є"),
        ("hi", "मुझे नहीं पता"),
        ("ta", "எனக்கு தெரியாது"),
    ],
)
def test_languages(tag: str, text: str) -> None:
    assert language_of(text) == tag


def test_names() -> None:
    def named(text: str) -> list[str]:
        return [entity.name for entity in entities(text, split_words(text))]

    assert named("Yesterday I met Anna Weber in Paris, and she said Hello.") == ["Anna Weber", "Paris", "Hello"]
    assert named("Maria's dog. The dog.") == ["Maria"]
    assert named("nobody is named here, I think") == []
