"""A job that was saved in several forms gives each row once, whatever comes first; nobody is merged with anybody."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from saved_jobs import SavedJob, saved_job, zipped
from voices import write_voice

import humeanalytics as ha
from humeanalytics.lake.lake import Lake
from humeanalytics.samples import sample
from humeanalytics.sandbox.embedded import Sandbox

TEXTS = ("No.", "It rained in London.", "No.")


@pytest.fixture(scope="module")
def media_job() -> SavedJob:
    media = sorted(path for path in (sample("manifest.csv").parent / "recordings").iterdir() if path.suffix in (".flac", ".mp4"))
    with Sandbox() as hume:
        return saved_job(hume, media[:3])


@pytest.fixture(scope="module")
def text_job() -> SavedJob:
    with Sandbox() as hume:
        return saved_job(hume, texts=TEXTS, models={"language": {"sentiment": {}}, "ner": {}})


def counted(lake: Lake, *, suffix: str = "") -> Counter[str]:
    tables = ("face", "prosody", "burst", "language", "ner")
    return Counter({table: lake.sql(f"SELECT count(*) AS n FROM {table}{suffix}").rows()[0]["n"] for table in tables})


def write_forms(job: SavedJob, folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "predictions.json": job.predictions,
        "artifacts.zip": job.artifacts,
        f"HumeAI_predictions_{job.job_id}.json": job.platform(),
        "hook.json": job.webhook(),
        "pretty.json.gz": gzip.compress(json.dumps(job.payload, indent=3).encode()),
        "all.zip": zipped(predictions__json=job.predictions, readme__txt=b"What I found."),
    }
    for name, data in forms.items():
        (folder / name).write_bytes(data)
    job.extract(folder / "extracted")
    return {name: folder / name for name in (*forms, "extracted")}


@pytest.mark.parametrize("seed", range(3))
def test_every_form_of_a_job_together_gives_its_rows_once(
    media_job: SavedJob, text_job: SavedJob, tmp_path: Path, seed: int
) -> None:
    places = [*write_forms(media_job, tmp_path / "m").values(), *write_forms(text_job, tmp_path / "t").values()]
    random.Random(seed).shuffle(places)
    lake = ha.open_lake(tmp_path / "lake")
    if seed:  # each by itself, so that every form meets every other as what is in the lake
        for place in places:
            ha.ingest(place, lake, synthetic=True)
    else:
        summary = ha.ingest(places, lake, synthetic=True)
        assert summary.kinds["artifacts zip"] == summary.kinds["artifacts folder"] == summary.kinds["webhook predictions"] == 2
        assert summary.exit_code == 3  # somebody's notes are in the archive
        assert set(summary.sources) == {"7"}, summary
    wanted = media_job.rows() + text_job.rows()
    assert counted(lake, suffix="_all") == wanted
    assert counted(lake) == wanted
    assert counted(lake, suffix="_labelled") == wanted
    sources = lake.sql("SELECT sources, count(*) AS n FROM scorings WHERE rows > 0 GROUP BY ALL").rows()
    assert [row["sources"] for row in sources] == [7]
    files = sum(len(source["results"]["predictions"]) for job in (media_job, text_job) for source in job.payload)
    assert lake.sql("SELECT count(*) AS n FROM items").rows()[0]["n"] == files
    flat = ha.flatten(media_job.predictions)["prosody"].drop_columns(["recording_id", "scoring_id", "load_id", "file"])
    found = lake.sql("SELECT * EXCLUDE (recording_id, scoring_id, load_id, file) FROM prosody").arrow()
    assert sorted(map(repr, _known(found, flat))) == sorted(map(repr, _known(flat, flat)))


def _known(table: pa.Table, like: pa.Table) -> list[dict[str, object]]:
    """Rows without what no CSV tells."""
    names = [name for name in like.column_names if name not in ("detected_language", "language_confidence")]
    return list(table.select(names).to_pylist())


def test_rebuilding_from_what_was_kept_of_all_forms_gives_the_same(
    media_job: SavedJob, text_job: SavedJob, tmp_path: Path
) -> None:
    lake = ha.open_lake(tmp_path / "lake")
    for job, name in ((media_job, "m"), (text_job, "t")):
        ha.ingest(write_forms(job, tmp_path / name).values(), lake, synthetic=True)
    before = counted(lake)
    ids = lake.sql("SELECT scoring_id, recording_id, sources FROM scorings ORDER BY ALL").rows()
    ha.rebuild(lake)
    assert counted(lake) == before == media_job.rows() + text_job.rows()
    assert counted(lake, suffix="_labelled") == before
    assert lake.sql("SELECT scoring_id, recording_id, sources FROM scorings ORDER BY ALL").rows() == ids


def test_two_people_who_wrote_the_same_stay_two(tmp_path: Path) -> None:
    with Sandbox() as hume:
        one, both = (saved_job(hume, texts=texts, models={"language": {}}) for texts in (["No."], ["No.", "Yes."]))
    lake = ha.open_lake(tmp_path / "lake")
    for name, data in {
        f"{one.job_id}.json": one.predictions,
        "other.json": both.predictions,
        "00000000-0000-4000-8000-000000000000.json": one.predictions + b"\n",
    }.items():
        (tmp_path / name).write_bytes(data)
        ha.ingest(tmp_path / name, lake, synthetic=True)
    found = lake.sql(
        "SELECT count(*) AS rows, count(DISTINCT recording_id) AS recordings FROM language WHERE text = 'No.'"
    ).rows()
    assert found == [{"rows": 3, "recordings": 3}]


def test_files_of_one_name_that_are_two_recordings_stay_two(tmp_path: Path) -> None:
    voices = [write_voice(tmp_path / str(number) / "interview.wav", number * 37) for number in (1, 2)]
    with Sandbox() as hume:
        jobs = [saved_job(hume, [voice]) for voice in voices]
    for form in ("artifacts", "predictions", "platform"):
        lake = ha.open_lake(tmp_path / f"lake-{form}")
        for number, job in enumerate(jobs):
            data = {"artifacts": job.artifacts, "predictions": job.predictions, "platform": job.platform()}[form]
            (tmp_path / f"{form}{number}").write_bytes(data)
        ha.ingest([tmp_path / f"{form}{number}" for number in range(2)], lake, synthetic=True)
        assert counted(lake) == jobs[0].rows() + jobs[1].rows()
        assert lake.sql("SELECT count(DISTINCT recording_id) AS n FROM prosody").rows() == [{"n": 2}]


def test_of_two_different_answers_both_stay_and_the_newer_holds(tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "a.wav", 5)
    answers = []
    for seed in (1, 2):
        with Sandbox(seed=seed) as hume:
            answers.append(saved_job(hume, [voice], models={"prosody": {}}))
    for place, (older, newer) in enumerate(itertools.permutations(answers)):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / "b.json").write_bytes(older.predictions)
        (folder / "a.json").write_bytes(newer.predictions)
        lake = ha.open_lake(tmp_path / f"lake-{place}")
        ha.ingest(folder, lake, synthetic=True)
        joy = lake.sql("SELECT joy FROM prosody").rows()
        assert joy == ha.flatten(newer.predictions)["prosody"].select(["joy"]).to_pylist()
        assert counted(lake, suffix="_all") == older.rows() + newer.rows()
        assert lake.sql("SELECT count(*) AS n FROM items").rows() == [{"n": 1}]


def test_when_a_job_ended_decides_which_of_two_answers_is_newer(tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "a.wav", 5)
    folder = tmp_path / "saved"
    folder.mkdir()
    answers = []
    for seed in (1, 2):
        with Sandbox(seed=seed) as hume:
            job = saved_job(hume, [voice], models={"prosody": {}})
        answers.append(job)
        details = json.loads(job.details)
        details["state"]["ended_timestamp_ms"] = 1_700_000_000_000 + seed
        (folder / f"{seed}.json").write_bytes(job.webhook())
        os.utime(folder / f"{seed}.json", (1_700_000_000 - seed, 1_700_000_000 - seed))
        (folder / f"details-{seed}.json").write_text(json.dumps(details))
    lake = ha.open_lake(tmp_path / "lake")
    ha.ingest(folder, lake, synthetic=True)
    wanted = ha.flatten(answers[1].predictions)["prosody"].select(["joy"]).to_pylist()
    assert lake.sql("SELECT joy FROM prosody").rows() == wanted
    # Of files that tell no more than their own age the older one found later changes nothing.
    other = ha.open_lake(tmp_path / "other")
    for seed, age_s in ((2, 0), (1, 100)):
        place = tmp_path / f"{seed}.json"
        place.write_bytes(answers[seed - 1].predictions)
        os.utime(place, (1_700_000_000 - age_s, 1_700_000_000 - age_s))
        ha.ingest(place, other, synthetic=True)
    assert other.sql("SELECT joy FROM prosody").rows() == wanted
    ha.rebuild(other)
    assert other.sql("SELECT joy FROM prosody").rows() == wanted


@pytest.mark.parametrize("order", [1, -1])
def test_one_csv_alone_and_one_element_of_an_answer_are_known_again(tmp_path: Path, order: int) -> None:
    story = tmp_path / "story.txt"
    story.write_text("It rained all day in London. We stayed at home and read to each other until it was dark.")
    with Sandbox() as hume:
        job = saved_job(hume, [write_voice(tmp_path / "a.wav", 5), story], models={"prosody": {}, "language": {}})
    csvs = job.extract(tmp_path / "x").rglob("*.csv")
    places = [tmp_path / "all.json", tmp_path / "zip.zip", tmp_path / "one.json"]
    places[0].write_bytes(job.predictions)
    places[1].write_bytes(job.artifacts)
    places[2].write_text(json.dumps(next(s for s in job.payload if s["source"]["filename"] == "story.txt")))
    for number, csv in enumerate(sorted(csvs)):
        place = tmp_path / f"copy {number}" / csv.name
        place.parent.mkdir()
        place.write_bytes(csv.read_bytes())
        places.append(place)
    lake = ha.open_lake(tmp_path / "lake")
    for place in places[::order]:
        ha.ingest(place, lake, synthetic=True)
    assert counted(lake) == job.rows()
    assert counted(lake, suffix="_labelled") == job.rows()


def test_downloads_of_two_jobs_with_one_text_are_two_peoples(tmp_path: Path) -> None:
    with Sandbox() as hume:
        jobs = [saved_job(hume, texts=["Yes, I agree."], models={"language": {}}) for _ in range(2)]
    for job in jobs:
        (tmp_path / f"HumeAI_predictions_{job.job_id}.json").write_bytes(job.platform())
    lake = ha.open_lake(tmp_path / "lake")
    ha.ingest(list(tmp_path.glob("*.json")), lake, synthetic=True)
    assert counted(lake) == jobs[0].rows() + jobs[1].rows()
    assert {row["hume_job_id"] for row in lake.sql("SELECT hume_job_id FROM scorings").rows()} == {job.job_id for job in jobs}
    same = tmp_path / "same"
    same.mkdir()
    for name in ("anna", "ben"):
        (same / f"{name}.json").write_bytes(jobs[0].predictions)
    summary = ha.ingest(same, tmp_path / "lake2", synthetic=True)
    assert any("ben.json" in note and "counted once" in note for note in summary.notes)


def test_what_hume_could_not_score_is_one_error_of_an_item_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(bytes(range(256)))
    with Sandbox() as hume:
        job = saved_job(hume, [tmp_path / "bad.wav", write_voice(tmp_path / "a.wav", 5)], models={"prosody": {}})
    for name, data in (("api.json", job.predictions), ("hook.json", job.webhook())):
        (tmp_path / name).write_bytes(data)
    lake = ha.open_lake(tmp_path / "lake")
    summary = ha.ingest([tmp_path / "api.json", tmp_path / "hook.json"], lake, synthetic=True)
    assert any("could not score" in note for note in summary.notes)
    errors = lake.sql("SELECT recording_id FROM errors").rows()
    assert len(errors) == 1
    shown = lake.sql("SELECT name, errors FROM coverage WHERE errors > 0").rows()
    assert shown == [{"name": "bad.wav", "errors": 1}]
