"""Saved answers of v1 through `ingest` and `flatten`, beside answers of v0 and beside words."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from saved_jobs import SavedJob, saved_job
from voices import write_voice

import humeanalytics as ha
from humeanalytics.lake.lake import Lake
from humeanalytics.sandbox.embedded import Sandbox

TABLES = (
    "audio_utterances",
    "audio_measurements",
    "audio_scores",
    "video_frames",
    "video_faces",
    "video_scores",
    "prosody",
    "uploads",
)


def audio(run_id: str | None = "run-a", *, windows: int = 4, seed: int = 1, audio_ms: int = 20_000) -> dict[str, Any]:
    """An answer about speech: one utterance, windows of three seconds with three names each."""
    rng = random.Random(seed)
    span = {"utterance_id": 0, "audio_start_ms": 0, "audio_end_ms": windows * 3000}
    measurements = [
        {
            **{"measurement_id": i, "utterance_id": 0, "audio_start_ms": i * 3000, "audio_end_ms": i * 3000 + 3000},
            "trigger": "interval",
            "expressions": [{"name": name, "probability": rng.randrange(10_000) / 10_000} for name in ("joy", "calm", "zest")],
            "voice_attributes": [],
        }
        for i in range(windows)
    ]
    told = {"run_id": run_id, "request_id": "q"} if run_id else {}
    return {**told, "received": {"audio_duration_ms": audio_ms}, "utterances": [span], "measurements": measurements}


def video(run_id: str = "run-v", *, frames: int = 3, faces: int = 4) -> dict[str, Any]:
    """An answer about images, in each of which so many faces were found and two measured."""
    found = [
        {
            **{"face_id": i if i < 2 else None, "bbox": [i * 10.5, 2.0, 90.0 + i, 80.0], "confidence": 0.95},
            "expressions": [{"name": "joy", "probability": 0.5}] if i < 2 else None,
            "descriptions": [] if i < 2 else None,
        }
        for i in range(faces)
    ]
    measurements = [{"frame_id": i, "faces": found} for i in range(frames)]
    return {"run_id": run_id, "request_id": "q", "received": {"frames": frames}, "measurements": measurements}


def camel(value: Any) -> Any:
    """The same as a TypeScript SDK dumps it."""
    if isinstance(value, dict):
        parts = {key: key.split("_") for key in value}
        return {parts[key][0] + "".join(map(str.title, parts[key][1:])): camel(each) for key, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list) else value


def counted(lake: Lake, suffix: str = "") -> dict[str, int]:
    counts = {name: lake.sql(f"SELECT count(*) AS n FROM {name}{suffix}").rows()[0]["n"] for name in TABLES}
    return {name: count for name, count in counts.items() if count}


def write(folder: Path, **files: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return ha.open_lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def v0_job(tmp_path_factory: pytest.TempPathFactory) -> SavedJob:
    with Sandbox() as hume:
        return saved_job(hume, [write_voice(tmp_path_factory.mktemp("v0") / "0.wav", 0)], models={"prosody": {}})


def test_a_folder_with_answers_of_v0_and_v1_gives_both(lake: Lake, v0_job: SavedJob, tmp_path: Path) -> None:
    folder = write(tmp_path / "saved", predictions__json=v0_job.predictions, talk__json=audio(), faces__json=video())
    summary = ha.ingest(folder, lake)
    assert (summary.exit_code, summary.files["loaded"], summary.kinds["v1 answers"]) == (0, 3, 2)
    found = counted(lake)
    assert found.pop("prosody") == v0_job.rows()["prosody"] > 0
    assert found == {
        **{"audio_utterances": 1, "audio_measurements": 4, "audio_scores": 12},
        **{"video_frames": 3, "video_faces": 12, "video_scores": 6, "uploads": 2},
    }
    apis = lake.sql("SELECT api, model, hume_job_id, rows FROM scorings WHERE api = 'expression' ORDER BY model").rows()
    assert [tuple(row.values()) for row in apis] == [("expression", "audio", "run-a", 17), ("expression", "video", "run-v", 21)]
    told = lake.sql("SELECT upload_id, origin, received_s, received_frames, billed_s FROM uploads ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in told] == [
        ("run:run-a", "saved", 20.0, None, 20.0),
        ("run:run-v", "saved", None, 3, 10.0),
    ]
    assert ha.ingest(folder, lake).files["known"] == 3


@pytest.mark.parametrize("at_once", [True, False])
def test_copies_and_forms_of_an_answer_give_its_rows_once(lake: Lake, tmp_path: Path, at_once: bool) -> None:
    folder = write(
        tmp_path / "saved",
        a__json=audio(),
        copy__json=audio(),
        packed__json__gz=gzip.compress(json.dumps(audio(), indent=2).encode()),
        camel__json=camel(audio()),
        wrapped__json={"file": "talk.wav", "answer": audio()},
        lines__jsonl=f"{json.dumps(audio())}\n{json.dumps(video())}\n".encode(),
        nameless__json=audio(None),
    )
    for each in [folder] if at_once else sorted(folder.iterdir()):
        assert ha.ingest(each, lake).exit_code == 0
    once = {"audio_utterances": 1, "audio_measurements": 4, "audio_scores": 12}
    assert (
        counted(lake, "_all") == counted(lake) == {**once, "video_frames": 3, "video_faces": 12, "video_scores": 6, "uploads": 2}
    )
    [row] = lake.sql("SELECT sources FROM scorings WHERE model = 'audio'").rows()
    assert row["sources"] == 7


def test_answers_that_are_equal_by_chance_stay_those_of_two_recordings(lake: Lake, tmp_path: Path) -> None:
    folder = write(tmp_path / "saved", a__json=audio("one", windows=1), b__json=audio("two", windows=1))
    write(folder, c__json=video("three", faces=0), d__json=video("four", faces=0))
    ha.ingest(folder, lake)
    assert counted(lake) == {"audio_utterances": 2, "audio_measurements": 2, "audio_scores": 6, "video_frames": 6, "uploads": 4}
    assert lake.sql("SELECT count(DISTINCT recording_id) AS n FROM scorings").rows() == [{"n": 4}]


def test_an_error_among_answers_is_told_and_one_alone_is_no_answer(lake: Lake, tmp_path: Path) -> None:
    error = {"type": "error", "code": "audio_too_long", "message": "Too long.", "request_id": "q"}
    folder = write(tmp_path / "saved", both__json=[audio(), error], alone__json={**error, "measurement_id": 1})
    summary = ha.ingest(folder, lake)
    assert summary.files["loaded"] == summary.files["failed"] == 1
    told = [row["message"] for row in lake.sql("SELECT message FROM errors ORDER BY ALL").rows()]
    assert any("audio_too_long: Too long." in message for message in told)


def test_an_answer_is_tied_to_the_file_it_was_saved_beside_and_words_meet_it(lake: Lake, tmp_path: Path) -> None:
    media = tmp_path / "media"
    write_voice(media / "talk.wav", 3, duration_s=13.0)
    cue = b"WEBVTT\n\n00:00:02.000 --> 00:00:04.000\n<v Anna>hello\n"
    write(media, talk__wav__json=audio(audio_ms=13_000), talk__vtt=cue)
    summary = ha.ingest(media, lake, recordings=media)
    assert (summary.exit_code, summary.recordings["tied"]) == (0, 1)
    rows = lake.sql("SELECT measurement_id, text, speaker_id, speaker_s FROM spoken ORDER BY ALL").rows()
    assert [tuple(row.values()) for row in rows] == [
        (0, "hello", "Anna", 1.0),
        (1, "hello", "Anna", 1.0),
        (2, None, None, None),
        (3, None, None, None),
    ]
    [item] = lake.sql("SELECT DISTINCT item_name, uri FROM audio_scores_labelled").rows()
    assert item == {"item_name": "talk.wav", "uri": str(media / "talk.wav")}


def test_what_was_heard_and_what_was_seen_of_one_file_are_both_tied_to_it(lake: Lake, tmp_path: Path) -> None:
    media = tmp_path / "media"
    write_voice(media / "talk.wav", 3, duration_s=13.0)
    saved = write(tmp_path / "saved", talk__json={"audio": audio(audio_ms=13_000), "video": video()})
    assert ha.ingest(saved, lake, recordings=media).recordings["tied"] == 2
    for table in ("audio_scores_labelled", "video_scores_labelled"):
        assert lake.sql(f"SELECT DISTINCT item_name FROM {table}").rows() == [{"item_name": "talk.wav"}]
    assert lake.sql("SELECT count(*) AS n FROM scorings").rows() == [{"n": 2}]


def test_recordings_that_were_scored_are_passed_over_where_their_words_lie(lake: Lake, hume: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "day"
    write_voice(folder / "talk.wav", 3)
    assert ha.score(folder, lake, settings=hume.settings).exit_code == 0
    (folder / "talk.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello there\n")
    summary = ha.ingest(folder, lake, synthetic=True)
    assert (summary.exit_code, summary.files["recordings"], summary.files["failed"]) == (0, 1, 0), str(summary)
    assert lake.sql("SELECT count(*) AS n FROM words").rows() == [{"n": 1}]


def test_answers_to_the_parts_of_a_recording_are_not_taken_for_the_whole(lake: Lake, tmp_path: Path) -> None:
    media = tmp_path / "media"
    write_voice(media / "talk.wav", 3, duration_s=13.0)
    saved = write(tmp_path / "saved", talk__json=[audio("one", audio_ms=13_000), audio("two", seed=2, audio_ms=13_000)])
    summary = ha.ingest(saved, lake, recordings=media)
    assert summary.recordings["tied"] == 0
    assert any("not tied to a recording" in note for note in summary.notes)
    alone = ha.ingest(write(tmp_path / "one", talk__wav__json=audio("three", seed=3, audio_ms=9_000)), lake, recordings=media)
    assert alone.recordings["tied"] == 0
    assert any("the results are of 9.0 s of sound" in note for note in alone.notes)


def test_faces_that_were_not_measured_are_counted_and_noted(lake: Lake, tmp_path: Path) -> None:
    summary = ha.ingest(write(tmp_path / "saved", faces__json=video()), lake)
    assert any("6 faces were seen and not measured" in note for note in summary.notes)
    [row] = lake.sql("SELECT unmeasured_faces FROM coverage WHERE model = 'video'").rows()
    assert row == {"unmeasured_faces": 6}
    assert not any("faces" in note for note in ha.ingest(write(tmp_path / "saved", two__json=video("w", faces=2)), lake).notes)


def test_tables_of_v1_outlive_a_rebuild(lake: Lake, v0_job: SavedJob, tmp_path: Path) -> None:
    saved = write(
        tmp_path / "saved", talk__json=audio(), nameless__json=audio(None, seed=2), predictions__json=v0_job.predictions
    )
    ha.ingest(saved, lake)
    columns = "model, recording_id, scoring_id, rows, api, hume_job_id"
    before = counted(lake), lake.sql(f"SELECT {columns} FROM scorings ORDER BY ALL").rows()
    assert ha.rebuild(lake).exit_code == 0
    assert (counted(lake), lake.sql(f"SELECT {columns} FROM scorings ORDER BY ALL").rows()) == before
    assert ha.ingest(saved, lake, rehash=True).rows.total() == 0


def test_flatten_gives_the_tables_of_v1(tmp_path: Path) -> None:
    folder = write(tmp_path / "saved", a__json=audio(), copy__json=camel(audio()), faces__json=video())
    tables = ha.flatten(folder)
    assert {name: len(table) for name, table in tables.items()} == {
        **{"audio_utterances": 1, "audio_measurements": 4, "audio_scores": 12},
        **{"video_frames": 3, "video_faces": 12, "video_scores": 6},
    }
    assert set(tables["audio_scores"]["recording_id"].to_pylist()) == {"name:run-a/audio"}
    assert ha.flatten(json.dumps(audio()).encode())["audio_scores"].num_rows == 12


def test_the_saved_answer_of_a_run_that_the_lake_has_adds_no_rows(lake: Lake, tmp_path: Path) -> None:
    write_voice(tmp_path / "media" / "talk.wav", 3, duration_s=13.0)
    write(tmp_path / "media", talk__vtt=b"WEBVTT\n\n00:01.000 --> 00:12.000\nhello\n")
    with Sandbox() as hume:  # words beside a recording are no recording
        assert ha.score(tmp_path / "media", lake, models=["audio"], settings=hume.settings).exit_code == 0
    assert ha.ingest(tmp_path / "media" / "talk.vtt", lake, synthetic=True).exit_code == 0
    assert lake.sql("SELECT DISTINCT text FROM spoken").rows() == [{"text": "hello"}]
    [answer] = lake.raw.list("expression")
    with lake.raw.open(answer.response_id) as stream:
        saved = write(tmp_path / "saved", dump__json=stream.read())
    before = counted(lake)
    assert before["audio_measurements"] > 0
    ha.ingest(saved, lake, synthetic=True)
    assert counted(lake) == before
    assert lake.sql("SELECT sum(requests) AS n FROM costs").rows() == [{"n": 1}]
