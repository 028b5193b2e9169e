"""Whatever is done to a payload, structure or bytes: rows as reading by name gives them, or an error of ours."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_forms import MODELS
from v0_payloads import FORMS, JobMaker, actual_answers, api_json, shuffled_keys, written

from humeanalytics.errors import HumeAnalyticsError
from humeanalytics.tables.batch import Flattened, flatten_in_pieces, flatten_predictions
from humeanalytics.tables.saved import saved_parts

SCORES = [{"name": "Joy", "score": 0.5}, {"name": "Awe", "score": 0.25}]
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**53 + 1, 2**64, 10**30, 1e300, 1e-320, -0.0, 0.5, "", "x", "\ud800", "NaN", "\x00", [], {}, [[]]),
    *(
        SCORES,
        [SCORES],
        {"emotions": SCORES},
        {"name": "Joy", "score": "1"},
        "\u00e9" * 300,
        "NESTED 60",
        "NESTED 115",
        "NESTED 900",
    ),
]
KEYS = [
    *("emotions", "facs", "descriptions", "sentiment", "predictions", "grouped_predictions", "groupedPredictions", "results"),
    *("source", "errors", "error", "models", "file", "file_type", "id", "metadata", "time", "box", "bbox", "face_id", "position"),
    *("face", "prosody", "job_id", "status", "request", "message", "warning", "code", "name", "score", "confidence", "begin", ""),
]
PIECES = [
    *(
        b"",
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b"\\",
        b"\xff",
        b"\xc3",
        b"\x00",
        b"\n",
        b"null",
        b"-",
        b"1e9",
        b".5",
        b",",
        b":",
        b"NaN",
    ),
    *(
        b"\\ud800",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b'"emotions":[{"name":"Joy","score":1}]',
        b" " * 600,
        b"}\n{",
        b'"file":"a",',
    ),
]


def containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return ([value] if isinstance(value, dict | list) else []) + [found for each in inner for found in containers(each)]


def restructured(payload: Any, rng: random.Random) -> Any:
    """Return JSON with a few members and elements put in, replaced, renamed or taken out."""
    payload = json.loads(json.dumps(payload))
    for _ in range(rng.randrange(1, 4)):
        found = containers(payload)
        if not found:
            break
        place = rng.choice(found)
        value = json.loads(json.dumps(rng.choice(VALUES if rng.random() < 0.7 else found)))
        what = rng.randrange(3)
        if isinstance(place, dict):
            key = rng.choice(list(place)) if place and what else rng.choice(KEYS)
            if what == 2 and place:
                place[rng.choice(KEYS)] = place.pop(key)
            else:
                place[key] = value
        elif what == 2 and place:
            del place[rng.randrange(len(place))]
        else:
            at = rng.randrange(len(place) + 1)
            place[at : at + what] = [value]
    return payload


def mangled(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with some of them replaced."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(changed) + 1)
        changed[at : at + rng.choice([0, 1, 1, 5, 50])] = rng.choice(PIECES)
    return bytes(changed)


def as_messages(payload: Any) -> list[Any]:
    """Return the rows of a job as if the streaming API had sent them."""
    messages = []
    for answers in containers(payload):
        for model, answer in answers.items() if isinstance(answers, dict) else ():
            if model in MODELS and isinstance(answer, dict):
                rows = [row | {"face_id": group["id"]} for group in answer["grouped_predictions"] for row in group["predictions"]]
                messages.append({model: {"predictions": rows}} if rows else {model: {"warning": "Nothing.", "code": "W0101"}})
    return messages


def made_up(seed: int) -> bytes:
    rng = random.Random(seed)
    job = JobMaker(rng, odd=rng.choice([0, 0.1]), rows=rng.choice([1, 3, 12])).job()
    payload = FORMS[rng.choice(list(FORMS))](job) if rng.random() < 0.7 else as_messages(api_json(job))
    if rng.random() < 0.2:
        payload = shuffled_keys(payload, rng)
    if rng.random() < 0.8:
        payload = restructured(payload, rng)
    lines = payload if isinstance(payload, list) and rng.random() < 0.2 else [payload]
    data = b"\n".join(json.dumps(line).encode() for line in lines) if rng.random() < 0.5 else _written(payload, rng)
    for depth in (60, 115, 900):
        data = data.replace(b'"NESTED %d"' % depth, b'[{"a":' * (depth // 2) + b"1" + b"}]" * (depth // 2))
    return mangled(data, rng) if rng.random() < 0.5 else data


def _written(payload: Any, rng: random.Random) -> bytes:
    try:
        return written(payload, rng)
    except UnicodeEncodeError:  # half a surrogate pair, which stands in JSON only as an escape
        return json.dumps(payload).encode()


def outcome(data: bytes, *, by_name: bool = False) -> Flattened | str:
    try:
        return flatten_predictions(data, by_name=by_name)
    except HumeAnalyticsError as error:
        return f"{type(error).__name__}: {error}"


@settings(max_examples=250)
@given(seed=st.integers(0, 2**48))
def test_json_gives_what_reading_by_name_gives_or_is_refused_in_the_same_words(seed: int) -> None:
    data = made_up(seed)
    fast = outcome(data)
    assert fast == outcome(data, by_name=True)
    window = random.Random(seed).choice([16, 100, 700])
    try:
        [piece] = flatten_in_pieces(io.BytesIO(data), rows=None, window_bytes=window)
    except HumeAnalyticsError as error:
        assert isinstance(fast, str)
        assert fast.startswith(f"{type(error).__name__}: ")
    else:
        assert isinstance(fast, Flattened)
        assert actual_answers(piece, with_fields=False) == actual_answers(fast, with_fields=False)
    for part in saved_parts(io.BytesIO(data), name="x"):
        if isinstance(fast, Flattened):
            assert part.can_be_flattened
            assert part.flatten() == fast


@pytest.mark.parametrize("form", FORMS)
def test_truncation_of_any_form_at_any_byte_is_told(form: str) -> None:
    rng = random.Random(form)
    job = JobMaker(rng, rows=2).job()
    whole = written(FORMS[form](job), rng).rstrip()
    for cut in range(0, len(whole), max(1, len(whole) // 80)):
        with pytest.raises(HumeAnalyticsError) as caught:
            flatten_predictions(whole[:cut], name="x.json")
        assert str(caught.value).startswith("x.json: ")
