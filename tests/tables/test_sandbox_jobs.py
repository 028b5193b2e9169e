"""Jobs of the sandbox, whose code is none of the toolkit's: by any way and out of any form they give the same tables."""

from __future__ import annotations

import copy
import io
import json
import random
import time
from functools import cached_property
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_forms import COLUMNS, FORMS, artifacts_of, disordered, shuffled_keys, written

from humeanalytics.samples import sample
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.tables.artifacts import flatten_artifacts
from humeanalytics.tables.batch import Flattened, flatten_predictions

EVERYTHING: dict[str, Any] = {
    "face": {"facs": {}, "descriptions": {}, "identify_faces": True, "fps_pred": 10},
    "prosody": {"granularity": "word", "identify_speakers": True},
    "burst": {},
    "language": {"granularity": "word", "sentiment": {}, "toxicity": {}},
    "ner": {},
    "facemesh": {},
}
PLAIN: dict[str, Any] = {"face": {}, "prosody": {}, "language": {}}
WINDOWS: dict[str, Any] = {
    "face": {"facs": {}},
    "prosody": {"window": {"length": 4, "step": 1}},
    "burst": {},
    "language": {"granularity": "sentence", "toxicity": {}},
}
TEXTS = ["No.", 'She said "yes", twice.\nThen: nothing.', "It rained in London, Paris and Köln. 😀"]
# Of a job of texts alone there is nothing to tell some forms by.
DIALECTS = {"2023": {"api", "object"}, "camel": {"api", "sdk"}, "sdk": {"api", "sdk"}, "platform": {"api", "platform"}} | {
    form: {form.partition(" ")[0]} for form in ("api", "webhook", "webhook dump", "webhook camel", "wrapped")
}


def answered(models: dict[str, Any], seed: int) -> tuple[bytes, bytes]:
    """Return predictions and artifacts of one job."""
    media = sorted((sample("manifest.csv").parent / "recordings").iterdir())
    parts: list[Any] = [("file", (p.name, p.read_bytes())) for p in media if p.suffix in (".flac", ".wav", ".mp4")]
    with (
        Sandbox(seed=seed, options=SandboxOptions(queue_s=0.0, run_s=0.0)) as sandbox,
        httpx.Client(base_url=sandbox.url, headers={"X-Hume-Api-Key": "k"}, timeout=60) as hume,
    ):
        body = {"json": json.dumps({"models": models, "text": TEXTS})}
        where = "/v0/batch/jobs/" + hume.post("/v0/batch/jobs", files=parts, data=body).raise_for_status().json()["job_id"]
        end = time.monotonic() + 60
        while hume.get(where).json()["state"]["status"] != "COMPLETED":
            assert time.monotonic() < end
            time.sleep(0.02)
        return hume.get(f"{where}/predictions").content, hume.get(f"{where}/artifacts").content


class Jobs(list[tuple[bytes, bytes]]):
    """Predictions and artifacts of some jobs."""

    @cached_property
    def sources(self) -> list[dict[str, Any]]:
        return [source for predictions, _ in self for source in json.loads(predictions)]

    def __repr__(self) -> str:  # hypothesis would print all of it
        return f"<{len(self)} jobs>"


@pytest.fixture(scope="module")
def jobs() -> Jobs:
    return Jobs(answered(models, seed) for seed, models in enumerate((EVERYTHING, PLAIN, WINDOWS)))


@pytest.fixture(params=range(3), ids=["everything", "plain", "windows"])
def job(request: pytest.FixtureRequest, jobs: Jobs) -> tuple[bytes, bytes]:
    return jobs[request.param]


Rows = dict[tuple[str, str, int], list[str]]


def rows_of(flat: Flattened) -> Rows:
    """Return the rows of each answer, sorted, without what no CSV tells; an empty text is the same there as none."""
    found = {}
    for answer in flat.answers:
        table = flat.tables[answer.model].slice(answer.first_row, answer.rows)
        kept = [name for name in table.column_names if name not in ("detected_language", "language_confidence")]
        rows = [
            {name: row[name] for name in sorted(row) if row[name] not in (None, "")} for row in table.select(kept).to_pylist()
        ]
        found[answer.file, answer.model, answer.copy] = sorted(map(repr, rows))
    return found


def test_json_by_any_way_and_artifacts_give_the_same(job: tuple[bytes, bytes]) -> None:
    predictions, artifacts = job
    fast, named = flatten_predictions(predictions), flatten_predictions(predictions, by_name=True)
    by_csv = flatten_artifacts(io.BytesIO(artifacts))
    assert fast == named
    assert rows_of(by_csv) == rows_of(fast)
    assert sum(answer.rows for answer in fast.answers) > 100
    prints = [{(a.file, a.model): a.fingerprint for a in flat.answers} for flat in (fast, by_csv)]
    assert prints[0] == prints[1]
    for model, table in by_csv.tables.items():
        assert table.schema.equals(fast.tables[model].schema)
    assert (fast.scores_rounded, by_csv.scores_rounded) == (0, 0)


def some_of(jobs: Jobs, rng: random.Random) -> list[dict[str, Any]]:
    """Return the predictions of a job that holds some sources, files, models and rows of several."""

    def group(each: dict[str, Any]) -> dict[str, Any]:
        first = rng.randrange(len(each["predictions"]))
        return {"id": each["id"], "predictions": each["predictions"][first : first + rng.randrange(4)]}

    def answer(each: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": each["metadata"], "grouped_predictions": [group(g) for g in each["grouped_predictions"][:4]]}

    found, seen = [], []
    for source in jobs.sources:
        if rng.random() < 0.3:
            files = []
            for file in source["results"]["predictions"]:
                # Where sources may stand in any order, the name alone tells files apart.
                name = file["file"] + "~" * seen.count(file["file"])
                seen.append(file["file"])
                models = {model: answer(each) for model, each in file["models"].items() if rng.random() < 0.5}
                files.append(file | {"file": name, "models": models})
            found.append(source | {"results": source["results"] | {"predictions": files}})
    rng.shuffle(found)
    return copy.deepcopy(found) or some_of(jobs, rng)


@settings(max_examples=70)
@given(seed=st.integers(0, 2**32))
def test_whatever_was_done_to_a_job_all_ways_to_it_agree(jobs: Jobs, seed: int) -> None:
    rng = random.Random(seed)
    odd = rng.choice([0.0, 0.0, 0.1, 0.5])
    payload = disordered(some_of(jobs, rng), rng, odd)
    plain = flatten_predictions(json.dumps(payload).encode(), by_name=True)
    form = rng.choice(list(FORMS))
    other = FORMS[form](copy.deepcopy(payload))
    data = written(shuffled_keys(other, rng) if rng.random() < 0.3 else other, rng)

    fast = flatten_predictions(data)
    assert fast == flatten_predictions(data, by_name=True)
    assert rows_of(fast) == rows_of(plain)
    assert fast.dialect in DIALECTS.get(form, {"wrapped"})
    assert fast.names_doubled == plain.names_doubled
    prints = sorted((a.file, a.model, a.copy, a.fingerprint) for a in plain.answers)
    assert sorted((a.file, a.model, a.copy, a.fingerprint) for a in fast.answers) == prints

    for source in payload:
        for file in source["results"]["predictions"]:
            file["models"] = {model: answer for model, answer in file["models"].items() if model in COLUMNS}
    if not any(file["models"] for source in payload for file in source["results"]["predictions"]):
        return
    by_csv = flatten_artifacts(io.BytesIO(artifacts_of(payload, rng)))
    assert rows_of(by_csv) == {key: rows for key, rows in rows_of(plain).items() if key[1] in COLUMNS}
    assert {(a.file, a.model, a.copy, a.fingerprint) for a in by_csv.answers} == {
        print for print in prints if print[1] in COLUMNS
    }
