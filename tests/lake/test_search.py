"""What a search finds, against plain Python; and that nothing which can be typed is an error."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import START, commit, item
from snowballstemmer.english_stemmer import EnglishStemmer
from snowballstemmer.german_stemmer import GermanStemmer

from humeanalytics.errors import LakeError, UsageError
from humeanalytics.lake.lake import Lake, open_lake
from humeanalytics.lake.searching import index as indexes
from humeanalytics.lake.searching.asking import Wanted, understand
from humeanalytics.lake.searching.index import Among, Index, Said
from humeanalytics.lake.searching.marking import hits_in, marked, snippet_of


def index_of(texts: Iterable[str | None]) -> Index:
    """An index of one chat in memory."""
    index = Index(sqlite3.connect(":memory:", isolation_level=None))
    index.make()
    index.add([Said(None, "c", str(n), n, "caller", text, *[None] * 6) for n, text in enumerate(texts)])
    return index


def found(index: Index, query: str, *, any_word: bool = False) -> set[int]:
    wanted = understand(query, any_word=any_word)
    hits = list(index.find(wanted, Among(), None))
    assert index.count(wanted, Among()) == len(hits)
    assert [hit.cost for hit in hits] == sorted(hit.cost for hit in hits)
    return {int(hit.event_id or "") for hit in hits}


# ---------------------------------------------------------------------------------------------------------- three languages
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("refund", "Two REFUNDS, please."),
        ("refunds", "a refund"),
        ("refunded", "We were refunding it"),
        ("customer", "the customer's order"),
        ("don't", "I don’t know"),
        ("e-mail", "by E-Mail?"),
        ("Vertrag", "Meine Verträge"),
        ("Verträge", "der Vertrag"),
        ("Rückerstattungen", "Eine Rückerstattung"),
        ("rueckerstattung", "Rückerstattungen"),
        ("ruckerstattung", "die Rückerstattung"),
        ("Rückerstattung", "eine Rueckerstattung"),
        ("strasse", "Hauptstr. oder Straße"),
        ("Straße", "in der Strasse"),
        ('"grosse straße"', "die große Straße"),
        ("ärger", "A\u0308RGER"),
        ("cafe", "im Café"),
        ("Café", "the cafe"),
        ("返金", "返金してください"),
        ("金", "返金"),
        ("返", "早く返金"),
        ("してく", "返金してください。"),
        ("iPhone", "iPhoneの画面"),
        ("画面", "iPhoneの画面"),
        ("カード", "ｶｰﾄﾞを使う"),
        ("ＯＫ", "ok, danke"),
        ("환불", "환불해 주세요"),
        ("กาแฟ", "ขอกาแฟร้อน"),
        ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
        ("заказ", "Мой ЗАКАЗ"),
        ("4471", "order no. 4471-B"),
    ],
)
def test_a_word_is_found(query: str, text: str) -> None:
    assert found(index_of(["something else", text, None, ""]), query) == {1}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("off", "I would like to offer it to you"),  # what German would make of an English word
        ("list", "please listen to me"),
        ("offer", "turn it off please"),
        ('"Verträge"', "der Vertrag"),
        ('"refund"', "refunds"),
        ('"schön"', "das ist schon da"),
        ("金返", "返金"),
        ("返金し", "返金"),
        ("art", "start party"),
        ('"a c"', "a b c"),
        ("nothing -else", "nothing else"),
        ("b a -'a", "a b"),
    ],
)
def test_a_word_is_not_found(query: str, text: str) -> None:
    assert found(index_of([text]), query) == set()


def test_all_words_are_asked_for_unless_any_will_do() -> None:
    index = index_of(["refund paypal", "refund visa", "paypal", "a refund, by my visa", "nothing"])
    assert found(index, "refund visa") == {1, 3}
    assert found(index, "refund -visa") == {0}
    assert found(index, '"refund visa"') == {1}
    assert found(index, '-"refund visa" visa') == {3}
    assert found(index, "visa paypal", any_word=True) == {0, 1, 2, 3}
    assert found(index, "-visa") == found(index, "") == found(index, '" - "" ?!') == set()
    best = next(index.find(understand("refund visa", any_word=True), Among(), None))
    assert best.event_id in ("1", "3")


def test_a_quote_that_is_never_closed_reaches_to_the_end_and_quotes_of_all_languages_do() -> None:
    index = index_of(["my credit card", "credit my card"])
    for query in ('"credit card', "„credit card“", "«credit card»", "“credit card”", "my「credit card」", "＂credit card＂"):
        assert found(index, query) == {0}, query


_ENGLISH, _GERMAN = EnglishStemmer(), GermanStemmer()
_OF_LANGUAGE = {
    "english": "refund refunds refunded order orders ordering offer off listen list the",
    "german": "Vertrag Verträge Vertraege schon schön schoen Rückerstattung Rückerstattungen das Straße Strassen",
    "japanese": "返金 返金してください 返品 金 して 返 ください",
}
_WORDS = {language: words.split() for language, words in _OF_LANGUAGE.items()}
_EVERY_WORD = [word for words in _WORDS.values() for word in words]
_SAID = st.one_of(
    *(
        st.tuples(st.just(language), st.lists(st.sampled_from(words), min_size=1, max_size=6).map(tuple))
        for language, words in _WORDS.items()
    )
)


def spelled(word: str) -> str:
    return word.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")


def bare(word: str) -> str:
    return word.casefold().replace("ä", "a").replace("ö", "o").replace("ü", "u")


def plainly(language: str, words: tuple[str, ...], query: str) -> bool:
    """Whether a word is in a message, worked out word by word. Each English message has "the" in it, each German one "das"."""
    if language == "japanese" or ord(query[0]) > 0x3000:
        return language == "japanese" and any(query in word for word in words)
    same = any(spelled(query) in (spelled(word), bare(word)) for word in words)
    if spelled(query) != bare(query):
        same = any(spelled(query) == spelled(word) for word in words)
    stem = _ENGLISH if language == "english" else _GERMAN
    form = bare if language == "english" else str.casefold
    return same or any(stem.stemWord(form(query)) == stem.stemWord(form(word)) for word in words)


@given(corpus=st.lists(_SAID, max_size=8), asked=st.lists(st.sampled_from(_EVERY_WORD), min_size=1, max_size=3))
def test_search_finds_what_plain_python_finds(corpus: list[tuple[str, tuple[str, ...]]], asked: list[str]) -> None:
    marks = {"english": "the", "german": "das"}
    said = [(language, (*words, marks[language]) if language in marks else words) for language, words in corpus]
    index = index_of(" ".join(words) for _, words in said)
    fits = [[plainly(language, words, query) for query in asked] for language, words in said]
    assert found(index, " ".join(asked)) == {n for n, each in enumerate(fits) if all(each)}
    assert found(index, " ".join(asked), any_word=True) == {n for n, each in enumerate(fits) if any(each)}
    assert found(index, f"{asked[0]} -{asked[-1]}") == {n for n, each in enumerate(fits) if each[0] and not each[-1]}


# ------------------------------------------------------------------------------------------------------ whatever is typed
_PIECES = st.sampled_from(
    [
        *"\"-*:^(){}+ \t\n\0'",
        "AND ",
        " OR ",
        " NOT ",
        "NEAR(",
        "words:",
        "ä",
        "ab",
        "返",
        "金し",
        "ﾞ",
        "\u0308",
        "İ",
        "한국",
        "👍🏽",
    ]
)
_TYPED = st.one_of(st.text(max_size=30), st.lists(_PIECES, max_size=12).map("".join))


@given(texts=st.lists(_TYPED, max_size=5), query=_TYPED, any_word=st.booleans())
@settings(max_examples=300)
def test_nothing_that_is_typed_is_an_error_and_hits_are_where_messages_are_found(
    texts: list[str], query: str, any_word: bool
) -> None:
    wanted = understand(query, any_word=any_word)

    def has(text: str, items: tuple[Any, ...]) -> list[bool]:
        return [bool(hits_in(text, Wanted((one,)))) for one in items]

    enough = any if any_word else all
    expected = {
        n
        for n, text in enumerate(texts)
        if wanted.items and enough(has(text, wanted.items)) and not any(has(text, wanted.unwanted))
    }
    assert found(index_of(texts), query, any_word=any_word) == expected
    for n in expected:
        hits = hits_in(texts[n], wanted)
        assert all(0 <= begin < end <= len(texts[n]) for begin, end in hits)
        assert all(end < begin for (_, end), (begin, _) in pairwise(hits))


@given(
    words=st.lists(st.sampled_from(("refund", "no", "返金してください" * 9, "a" * 70, "\n", "")), max_size=60),
    characters=st.integers(min_value=20, max_value=200),
)
def test_a_snippet_is_a_part_of_the_text_with_its_first_hit(words: list[str], characters: int) -> None:
    text = " ".join(words)
    hits = hits_in(text, understand("refund 返金"))
    snippet, kept = snippet_of(text, hits, characters)
    assert snippet.removeprefix("… ").removesuffix(" …") in text
    assert len(snippet) <= max(characters, 0) + 4
    assert bool(kept) == bool(hits)
    assert all(any(snippet[b:e] in text[begin:end] for begin, end in hits) for b, e in kept)
    assert marked(snippet, kept).replace("[", "").replace("]", "") == snippet


def test_a_query_may_be_very_long() -> None:
    text = " ".join(f"w{n}" for n in range(3000))
    index = index_of([text, "w1 w2"])
    assert found(index, text) == {0}
    assert found(index, f'"{text}"') == {0}
    assert found(index, text, any_word=True) == {0, 1}
    assert found(index, "返" * 5000 + "x" * 50_000) == set()


@given(texts=st.lists(_TYPED, min_size=1, max_size=4), other=st.lists(_TYPED, max_size=4), query=_TYPED)
def test_what_is_taken_out_leaves_nothing_behind(texts: list[str], other: list[str], query: str) -> None:
    index = index_of(texts)
    index.add([Said(None, "d", f"{n}", n, "caller", text, *[None] * 6) for n, text in enumerate(other)])
    index.remove(["c", "unknown"])
    alone = index_of(other)
    assert found(index, query) == found(alone, query)
    costs = [[hit.cost for hit in each.find(understand(query), Among(), None)] for each in (index, alone)]
    assert costs[0] == costs[1]


# ------------------------------------------------------------------------------------------------------------- in a lake
def said(
    event_id: str, text: str | None, at_s: float = 0, chat_id: str = "c", type_: str = "USER_MESSAGE", **more: Any
) -> dict[str, Any]:
    return {
        "recording_id": f"chat:{chat_id}",
        "scoring_id": f"s-{chat_id}",
        "load_id": "L",
        "event_id": event_id,
        "chat_id": chat_id,
        "ordinal": 0,
        "timestamp": START + timedelta(seconds=at_s),
        "type": type_,
        "message_text": text,
        "form": "history",
        **more,
    }


def chat(chat_id: str = "c", **more: Any) -> dict[str, Any]:
    return {
        "recording_id": f"chat:{chat_id}",
        "scoring_id": f"s-{chat_id}",
        "load_id": "L",
        "chat_id": chat_id,
        "form": "history",
    } | {"events": 1, **more}


def ids(lake: Lake, query: str, **choice: Any) -> list[str]:
    return [row["event_id"] for row in lake.search(query, **choice).rows()]


def test_a_result_tells_who_said_it_when_and_what_was_said_around_it(lake: Lake) -> None:
    events = [
        said("1", "Hello.", 0, type_="AGENT_MESSAGE"),
        said("2", "A refund for order 4471, please. " + "It was late. " * 30, 1, joy=0.5, anger=0.75),
        said("mark", '{"refund": true}', 2, type_="FUNCTION_CALL"),
        said("3", "Of course.", 3, type_="AGENT_MESSAGE"),
        said("4", "A refund", 3, "d"),
        said("pending", "a refund", 3, "e"),
    ]
    commit(lake, "L", chat_events=events[:-1], chats=[chat(chat_group_id="g"), chat("d")])
    lake.loads.announce("P", flow="ingest", run_id="run")
    lake.loads.commit("P", "chat_events", lake.sql("SELECT * FROM chat_events LIMIT 1").arrow())
    row, other = lake.search("Refunds 4471 paypal", any_word=True).rows()
    expected = {
        "rank": 1,
        "speaker": "caller",
        "timestamp": START + timedelta(seconds=1),
        "before_speaker": "assistant",
        "before_text": "Hello.",
        "after_speaker": "assistant",
        "after_text": "Of course.",
        "expression_1": "anger",
        "score_1": 0.75,
        "expression_2": "joy",
        "score_2": 0.5,
        "expression_3": None,
        "chat_group_id": "g",
        "chat_id": "c",
        "event_id": "2",
        "message_text": events[1]["message_text"],
        "hits": [{"begin": 2, "end": 8}, {"begin": 19, "end": 23}],
    }
    assert {name: row[name] for name in expected} == expected
    assert row["snippet"].startswith("A [refund] for order [4471], please.") and row["snippet"].endswith("…")
    assert (other["chat_id"], other["before_text"], other["after_text"], other["chat_group_id"]) == ("d", None, None, None)
    assert row["relevance"] > other["relevance"]
    assert lake.sql("SELECT count(*) AS n FROM hits JOIN chats USING (chat_id)", hits=lake.search("refund")).rows() == [{"n": 2}]


def test_a_lake_without_chats_has_nothing_to_find(lake: Lake) -> None:
    assert lake.search("refund").rows() == []
    assert lake.search("refund").df().empty
    assert lake.search_counts("refund").by_item == {"refund": 0}


def test_what_is_found_can_be_narrowed(lake: Lake) -> None:
    events = [said(str(n), "a refund", n * 3600, type_=("USER_MESSAGE", "AGENT_MESSAGE")[n % 2]) for n in range(6)]
    commit(lake, "L", chat_events=[*events, said("timeless", "refund", timestamp=None)], chats=[chat()])
    every = lake.search("refund")
    assert sorted(row["event_id"] for row in every.rows()) == ["0", "1", "2", "3", "4", "5", "timeless"]
    assert ids(lake, '"a refund"') == ["5", "4", "3", "2", "1", "0"]  # alike: the newest first
    assert ids(lake, '"a refund"', limit=2) == ["5", "4"]
    assert ids(lake, '"a refund"', speaker="caller") == ids(lake, '"a refund"', speaker="user") == ["4", "2", "0"]
    assert ids(lake, '"a refund"', speaker="agent", since="2026-03-01T15:00:00Z") == ["5", "3"]
    since, until = START + timedelta(hours=1), datetime(2026, 3, 1, 15)  # noqa: DTZ001  # without a zone: UTC
    assert ids(lake, "refund", since=since, until=until) == ["2", "1"]
    counts = lake.search_counts("refund -nothing absent", since=since, until=until)
    assert (counts.found, counts.by_item, counts.any_word) == (0, {"refund": 2, "absent": 0}, 2)
    for wrong in ({"limit": 0}, {"speaker": "bob"}, {"since": "yesterday"}, {"until": "x"}):
        with pytest.raises(UsageError):
            lake.search("refund", **wrong)  # type: ignore[arg-type]
    commit(lake, "M", items=[item("i", "chat:c", excluded_reason="withdrawn")])
    assert every.rows() == []  # a question is asked anew each time


def test_threads_can_search_at_once_while_loads_come(tmp_path: Path) -> None:
    with open_lake(tmp_path / "lake") as lake:
        commit(lake, "L0", chat_events=[said("0", "refund", chat_id="c0")], chats=[chat("c0")])
        seen: list[list[int]] = [[] for _ in range(4)]

        def ask(counts: list[int]) -> None:
            counts.extend(len(lake.search("refunds", limit=None).rows()) for _ in range(8))

        threads = [threading.Thread(target=ask, args=(counts,)) for counts in seen]
        for thread in threads:
            thread.start()
        for n in range(1, 6):
            commit(lake, f"L{n}", chat_events=[said(f"{n}", "a refund", chat_id=f"c{n}")], chats=[chat(f"c{n}")])
        for thread in threads:
            thread.join()
        assert all(len(counts) == 8 and counts == sorted(counts) and counts[0] >= 1 for counts in seen)
        assert len(lake.search("refund", limit=None).rows()) == 6


def test_a_python_whose_sqlite_cannot_search_is_told_so(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        def execute(self, statement: str) -> None:
            raise sqlite3.OperationalError("no such module: fts5")

        def close(self) -> None: ...

    monkeypatch.setattr(indexes.sqlite3, "connect", lambda *_: Without())
    with pytest.raises(LakeError, match="FTS5"):
        indexes.require_fts5()


def test_a_closed_lake_cannot_be_searched(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "lake")
    lake.close()
    with pytest.raises(LakeError, match="closed"):
        lake.search("refund").rows()
