"""Jobs of the sandbox, whose code is none of the toolkit's: JSON, by name or not, and artifacts give the same tables."""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_payloads import shuffled_keys, whole_numbers, written

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
TEXTS = ["No.", 'She said "yes", twice.\nThen: nothing.', "It rained in London, Paris and Köln. 😀"]


@pytest.fixture(scope="module", params=["everything", "plain"])
def job(request: pytest.FixtureRequest) -> Iterator[tuple[bytes, bytes]]:
    """Predictions and artifacts of one job."""
    models = EVERYTHING if request.param == "everything" else PLAIN
    media = sorted((sample("manifest.csv").parent / "recordings").iterdir())
    parts: list[Any] = [("file", (p.name, p.read_bytes())) for p in media if p.suffix in (".flac", ".wav", ".mp4")]
    with (
        Sandbox(seed=3, options=SandboxOptions(queue_s=0.0, run_s=0.0)) as sandbox,
        httpx.Client(base_url=sandbox.url, headers={"X-Hume-Api-Key": "k"}, timeout=60) as hume,
    ):
        body = {"json": json.dumps({"models": models, "text": TEXTS})}
        where = "/v0/batch/jobs/" + hume.post("/v0/batch/jobs", files=parts, data=body).raise_for_status().json()["job_id"]
        end = time.monotonic() + 60
        while hume.get(where).json()["state"]["status"] != "COMPLETED":
            assert time.monotonic() < end
            time.sleep(0.02)
        yield hume.get(f"{where}/predictions").content, hume.get(f"{where}/artifacts").content


def rows_of(flat: Flattened) -> dict[tuple[str, str], list[str]]:
    """Return the rows of each answer, sorted, without what no CSV tells."""
    found = {}
    for answer in flat.answers:
        table = flat.tables[answer.model].slice(answer.first_row, answer.rows)
        kept = [name for name in table.column_names if name not in ("detected_language", "language_confidence")]
        rows = [{name: value for name, value in row.items() if value is not None} for row in table.select(kept).to_pylist()]
        found[answer.file, answer.model] = sorted(map(repr, rows))
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


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_however_a_job_is_written_down_it_gives_the_same(job: tuple[bytes, bytes], seed: int) -> None:
    rng = random.Random(seed)
    payload = json.loads(job[0])
    if rng.random() < 0.5:
        payload = shuffled_keys(payload, rng)
    if rng.random() < 0.5:
        payload = whole_numbers(payload)
    flat, plain = flatten_predictions(written(payload, rng)), flatten_predictions(job[0])
    assert rows_of(flat) == rows_of(plain)
    assert sorted((a.file, a.model, a.fingerprint) for a in flat.answers) == sorted(
        (a.file, a.model, a.fingerprint) for a in plain.answers
    )
