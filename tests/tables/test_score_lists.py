"""Cutting lists of scores out of the bytes changes nothing: neither what is read, nor what is refused, nor in which words."""

from __future__ import annotations

import json
import random
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.tables.batch import Flattened, flatten_predictions
from humeanalytics.tables.score_lists import ListCutter

NAMES = ["Admiration", "Joy", "Surprise (negative)", 'Quote "x"', "Ärger", "x"]


def list_json(scores: list[str], names: list[str] = NAMES, blank: str = "") -> str:
    entries = (
        f'{{{blank}"name":{blank}{json.dumps(n)},{blank}"score":{blank}{s}{blank}}}' for n, s in zip(names, scores, strict=True)
    )
    return f"[{blank}{f',{blank}'.join(entries)}{blank}]"


def payload(lists: list[str], blank: str = "") -> bytes:
    """Return a payload with a face for each list."""
    rows = f",{blank}".join(f'{{"frame":{i},{blank}"emotions":{blank}{scores},"facs":null}}' for i, scores in enumerate(lists))
    models = '{"face":{"metadata":null,"grouped_predictions":[{"id":"unknown","predictions":[' + rows + "]}]}}"
    return ('[{"source":{"type":"text"},"results":{"predictions":[{"file":"a","models":' + models + "}]}}]").encode()


def outcome(data: bytes, *, by_name: bool) -> Flattened | str:
    try:
        return flatten_predictions(data, by_name=by_name)
    except HumeAnalyticsError as error:
        return f"{type(error).__name__}: {error}"


def cut_from(data: bytes) -> int:
    """Return how many lists are cut out of a payload: a number stands in the place of each."""
    return len(re.findall(rb'"emotions":\s*\d{19}', ListCutter().feed(data, last=True)))


def plain(rng: random.Random) -> list[str]:
    return [repr(struct.unpack("<f", struct.pack("<f", rng.betavariate(1, 6)))[0]) for _ in NAMES]


ODD_NUMBERS = [
    *("0", "1", "7", "10", "-1", "0.0", "-0.0", "-0", "00", "01", "00.5", "-00.5", ".5", "-.5", "1.", "-1.", "+1", "+0.5"),
    *("1e5", "1E5", "1e-5", "1.5e-05", "1.5E+05", "1e", "1.5e", "1e+", "1.e5", "1e400", "1e-400", "-1e-400", "1.5e300", "3.5e38"),
    *(
        "3.4028235677973362e38",
        "3.4028235677973366e38",
        "3.4028234663852886e38",
        "16777217",
        "9007199254740992",
        "9007199254740993",
    ),
    *("123456789012345", "1234567890123456", "12345678901234567890", "0.1", "0.10000000149011612", "1.303", "1e45", "1" * 400),
    *(
        "0.1234567890123456789012345678901234567890",
        "0." + "0" * 400 + "1",
        "NaN",
        "nan",
        "Infinity",
        "inf",
        "-inf",
        "null",
        "true",
    ),
    *(
        '"0.5"',
        '"0"',
        "0x1p3",
        "0x10",
        "1_0",
        "0.5f",
        "0,5",
        "",
        "{}",
        "[]",
        "[0.5]",
        "0.5 ",
        " 0.5",
        "0 .5",
        "0. 5",
        "9.:",
        "3.;5",
    ),
    *(":.5", "0.5}", "0.5]", "0.5,0.5", "0.5.5", "--0.5", "0.5-", "1.0E", "½", "٣.٣"),
]


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_an_odd_number_among_plain_ones_is_read_or_refused_as_by_name(number: str) -> None:
    rng = random.Random(number)
    lists = [plain(rng) for _ in range(20)]
    lists[11][rng.randrange(len(NAMES))] = number
    data = payload([list_json(scores) for scores in lists])
    assert cut_from(data) >= 19
    assert outcome(data, by_name=False) == outcome(data, by_name=True)


@pytest.mark.parametrize("blank", ["", " ", "\n", "\r\n\t  "])
def test_plain_lists_are_cut_however_they_are_spaced(blank: str) -> None:
    rng = random.Random(1)
    data = payload([list_json(plain(rng), NAMES, blank) for _ in range(50)], blank)
    assert cut_from(data) == 50
    assert outcome(data, by_name=False) == outcome(data, by_name=True)


def test_names_with_brackets_are_left_to_be_read_by_name() -> None:
    rng = random.Random(1)
    for name in ("A}", "{A", "[A", "A]", "]}]"):
        data = payload([list_json(plain(rng), [*NAMES[1:], name]) for _ in range(9)])
        assert outcome(data, by_name=False) == outcome(data, by_name=True)


def test_lists_that_differ_a_little_are_each_read_as_they_are() -> None:
    rng = random.Random(2)
    usual = list_json(plain(rng))
    odd = [
        usual.replace("Joy", "Jox"),
        usual.replace('"Joy"', '"J\\u006fy"'),
        usual.replace('"Joy"', '"Joy "'),
        usual.replace('"name":"Joy"', '"name" :"Joy"'),
        usual.replace('"score":', '"score": ', 1),
        usual.replace("}", ' ,"more":1}', 1),
        usual.replace('{"name"', '{"rank":1,"name"', 1),
        list_json(plain(rng), NAMES[::-1]),
        list_json(plain(rng)[:-1], NAMES[:-1]),
        list_json([*plain(rng), "0.5"], [*NAMES, "Joy"]),
        "[" + ",".join(f'{{"score":{s},"name":{json.dumps(n)}}}' for n, s in zip(NAMES, plain(rng), strict=True)) + "]",
        "[]",
        "null",
        usual.replace("]", " ]"),
        usual.replace("[", "[ ", 1),
        usual.replace('"score":', '"score":0.75,"name":"Joy","score":', 1),
        usual.replace('"score":', '"score":0.75,"name":"Awe","x":', 1),
        usual.replace('"score":', '"score":0.75,"name":"Awe","score":null,"x":', 1),
        usual.replace('"score":', '"score":0.75,"sc\\u006fre":', 1),
    ]
    lists = [usual] * 5
    for each in odd:
        lists += [each, usual, each]
    data = payload(lists)
    found = outcome(data, by_name=False)
    assert isinstance(found, Flattened)
    assert found == outcome(data, by_name=True)
    assert found.names_doubled == 4


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_mutated_lists_are_read_or_refused_as_by_name(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(payload([list_json(plain(rng), blank=rng.choice(["", " "])) for _ in range(6)]))
    for _ in range(rng.randrange(1, 3)):
        at = rng.randrange(data.index(b"emotions"), len(data))
        data[at : at + rng.choice([0, 1, 1, 3])] = rng.choice(
            [b"", b"0", b".", b"-", b"e", b" ", b"}", b"{", b"]", b"[", b",", b'"', b"\\", b"\xc3", b"null", b'"score":', b"1e9"]
        )
    assert outcome(bytes(data), by_name=False) == outcome(bytes(data), by_name=True)


def test_numbers_that_stand_for_nothing_are_never_taken_for_references() -> None:
    rng = random.Random(3)
    rows = [list_json(plain(rng)), "1", str(2**60), str(2**61), '"emotions"', "-5"]
    for each in rows[1:]:
        data = payload([rows[0], each, rows[0]])
        assert outcome(data, by_name=False) == outcome(data, by_name=True)


def test_what_looks_like_a_list_of_scores_in_other_places_is_kept_as_it_is() -> None:
    rng = random.Random(4)
    inner = list_json(plain(rng))
    nested = f'{{"emotions":{inner},"facs":[{inner}]}}'
    text = '"emotions":[{"name":"Joy","score":0.5}]'
    row = f'{{"text":{json.dumps(text)},"emotions":{inner},"nested":{nested}}}'
    models = f'{{"prosody":{{"metadata":null,"grouped_predictions":[{{"id":"unknown","predictions":[{row}]}}]}}}}'
    data = f'{{"emotions":{inner},"x":[{{"file":"a","models":{models}}}]}}'.encode()
    found = outcome(data, by_name=False)
    assert isinstance(found, Flattened)
    assert found == outcome(data, by_name=True)
    [read] = found.tables["prosody"].to_pylist()
    assert read["text"] == text
    assert json.loads(read["nested"]) == json.loads(nested)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_cut_and_what_is_left_make_up_the_whole(seed: int) -> None:
    rng = random.Random(seed)
    data = payload([list_json(plain(rng)) if rng.random() < 0.9 else "[]" for _ in range(rng.randrange(12))])
    cutter, left, at = ListCutter(), b"", 0
    while at < len(data):
        size = rng.choice([1, 10, 100, 1000])
        left += cutter.feed(data[at : at + size])
        at += size
    left += cutter.feed(b"", last=True)
    assert cutter.restored(json.loads(left)) == json.loads(data)


@pytest.mark.parametrize(
    "entry", ['{"name":"A","score":0.5,"name":"B","score":null}', '{"name":"A","score":0.5,"sc\\u006fre":0.25}']
)
def test_a_list_with_a_key_twice_in_an_entry_teaches_nothing(entry: str) -> None:
    lists = [f'[{entry},{{"name":"Joy","score":0.{i}5}}]' for i in range(9)]
    data = payload(lists)
    assert cut_from(data) == 0
    assert outcome(data, by_name=False) == outcome(data, by_name=True)


@pytest.mark.parametrize("after", [".26", "5", "e5", "E5", "-1", "+1", " 5", '"x"', "[]", "{}"])
def test_what_follows_a_list_never_becomes_a_part_of_it(after: str) -> None:
    rng = random.Random(after)
    usual = list_json(plain(rng))
    data = payload([usual, usual + after, usual])
    assert isinstance(outcome(data, by_name=True), str)
    assert outcome(data, by_name=False) == outcome(data, by_name=True)


def test_lists_of_scores_beside_the_rows_are_left_to_the_raw_answer() -> None:
    scores = json.loads(list_json(plain(random.Random(5))))
    row = {"frame": 0, "emotions": scores}
    group = {"id": "unknown", "predictions": [row], "emotions": scores, "toxicity": scores}
    face = {"metadata": {"facs": scores}, "grouped_predictions": [group], "descriptions": scores, "quality": 0.5}
    results = {"predictions": [{"file": "a", "models": {"face": face}, "emotions": scores}], "errors": [{"emotions": scores}]}
    data = json.dumps([{"source": {"type": "text"}, "results": results}]).encode()
    found = outcome(data, by_name=False)
    assert isinstance(found, Flattened)
    assert found == outcome(data, by_name=True)
    [read] = found.tables["face"].to_pylist()
    assert {name for name in read if name.startswith(("group", "answer"))} == {"answer_quality"}
    assert json.loads(read["metadata_facs"]) == scores
    assert json.loads(found.failures[0].message) == {"emotions": scores}


@pytest.mark.parametrize("scores", ['[{"score":0.5,"name":"Joy"}]', '[{"name":"Joy","score":1}]', '[{"name":"Joy","score":1.0}]'])
def test_lists_within_fields_nobody_has_heard_of_read_the_same_by_any_way(scores: str) -> None:
    data = payload([list_json(plain(random.Random(6)))]).replace(b'"facs":null', b'"nested":{"emotions":%b}' % scores.encode())
    found = outcome(data, by_name=False)
    assert isinstance(found, Flattened)
    assert found == outcome(data, by_name=True)
    assert json.loads(found.tables["face"]["nested"][0].as_py()) == {"emotions": json.loads(scores)}
