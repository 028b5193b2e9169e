"""Saved answers are tied to the recordings they are of, and to those only; nobody's rows show twice."""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_jobs import Made, counted, made_job, rows_of, written, zipped_files
from saved_jobs import SavedJob, saved_job
from voices import write_voice

import humeanalytics as ha
from humeanalytics.jobs.standing import standing_of, story_of
from humeanalytics.lake.lake import Lake
from humeanalytics.sandbox.embedded import Sandbox

LONG_S = 4.0  # the rows of a made job end before


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with ha.open_lake(tmp_path / "lake") as opened:
        yield opened


def recorded(path: Path, number: int, *, duration_s: float = LONG_S) -> Made:
    """Write a recording, and return it as a file of a job that was sent as it is."""
    write_voice(path, number, duration_s)
    return Made(path.name, number, md5=hashlib.md5(path.read_bytes()).hexdigest())


def named_only(job: SavedJob) -> bytes:
    """The predictions of a job whose sources tell nothing but a name."""
    payload = job.payload
    for source in payload:
        source["source"].pop("md5sum", None)
    return json.dumps(payload).encode()


def ids(lake: Lake) -> list[str]:
    """The recordings that rows are of."""
    return [row["id"] for row in lake.sql("SELECT DISTINCT recording_id AS id FROM prosody ORDER BY 1").rows()]


def sha256(*paths: Path) -> list[str]:
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


def shown_items(lake: Lake) -> list[dict[str, Any]]:
    return lake.sql("SELECT name, uri, recording_id FROM items WHERE excluded_reason IS NULL ORDER BY uri").rows()


def assert_shown_once(lake: Lake, *jobs: SavedJob) -> None:
    assert counted(lake) == rows_of(*jobs)
    assert counted(lake, suffix="_labelled") == rows_of(*jobs)


# ----------------------------------------------------------------------------------------------------------------- by what
def test_an_md5_sum_ties_whatever_the_files_are_called_by_now(tmp_path: Path, lake: Lake) -> None:
    made = [recorded(tmp_path / "recordings" / name, number) for number, name in enumerate(["a.wav", "b.wav"], start=1)]
    paths = [tmp_path / "recordings" / each.name for each in made]
    job = made_job(*made)
    paths = [path.rename(path.with_name(f"renamed {path.name}")) for path in paths]
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.exit_code == 0
    assert summary.recordings["tied"] == 2
    assert ids(lake) == sha256(*paths)
    assert [item["uri"] for item in shown_items(lake)] == sorted(map(str, paths))
    assert_shown_once(lake, job)
    again = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert again.recordings["tied"] == 0
    assert_shown_once(lake, job)


def test_a_name_that_only_one_file_has_ties(tmp_path: Path, lake: Lake) -> None:
    job = made_job(recorded(tmp_path / "recordings" / "a.wav", 1), recorded(tmp_path / "recordings" / "b.wav", 2))
    (tmp_path / "p.json").write_bytes(named_only(job))
    ha.ingest(tmp_path / "p.json", lake)
    assert all(":" in each for each in ids(lake))
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert (summary.files["known"], summary.recordings["tied"]) == (1, 2)
    assert ids(lake) == sha256(*(tmp_path / "recordings").iterdir())
    assert_shown_once(lake, job)


def test_an_md5_sum_that_no_file_has_is_not_tied_by_name(tmp_path: Path, lake: Lake) -> None:
    recorded(tmp_path / "recordings" / "a.wav", 1)
    job = made_job(Made("a.wav", 1))  # bears the md5 sum of another file of that name
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 0
    assert ids(lake) == [f"md5:{Made('a.wav', 1).md5sum}"]
    assert_shown_once(lake, job)


@pytest.mark.parametrize("whose", ["files", "answers"])
def test_a_name_that_is_not_unique_ties_nothing_and_is_told(tmp_path: Path, lake: Lake, whose: str) -> None:
    recordings = tmp_path / "recordings"
    one, other = (recorded(recordings / day / "interview.wav", number) for number, day in enumerate(["mon", "tue"]))
    jobs = [made_job(one)] if whose == "files" else [made_job(one), made_job(other)]
    if whose == "answers":
        (recordings / "tue" / "interview.wav").unlink()
    written(tmp_path / "in", {f"{number}.json": named_only(job) for number, job in enumerate(jobs)})
    summary = ha.ingest(tmp_path / "in", lake, recordings=recordings)
    assert summary.recordings["tied"] == 0
    assert len(summary.notes) == len(jobs)
    assert all("'interview.wav' may be the name of more than one" in note for note in summary.notes)
    assert all(":" in each for each in ids(lake))
    assert_shown_once(lake, *jobs)


def test_two_files_of_the_same_bytes_are_no_two(tmp_path: Path, lake: Lake) -> None:
    made = recorded(tmp_path / "recordings" / "mon" / "a.wav", 1)
    recorded(tmp_path / "recordings" / "tue" / "a.wav", 1)
    job = made_job(made)
    (tmp_path / "p.json").write_bytes(named_only(job))
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 1
    assert_shown_once(lake, job)


def test_a_file_that_ends_before_the_rows_do_is_not_tied(tmp_path: Path, lake: Lake) -> None:
    job = made_job(recorded(tmp_path / "recordings" / "a.wav", 1, duration_s=0.8))
    (tmp_path / "p.json").write_bytes(named_only(job))
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 0
    [note] = summary.notes
    assert "which ends after 0.8 s; the results reach" in note
    assert_shown_once(lake, job)


def test_a_text_is_not_tied_to_a_recording_whose_name_is_its_number(tmp_path: Path, lake: Lake) -> None:
    write_voice(tmp_path / "recordings" / "1", 1, LONG_S)
    job = made_job(texts=["No."])
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 0
    assert_shown_once(lake, job)


def test_members_of_an_uploaded_archive_are_tied_by_their_paths(tmp_path: Path, lake: Lake) -> None:
    outside = recorded(tmp_path / "in" / "c.wav", 3)
    voices = [write_voice(tmp_path / "x" / str(number) / "x.wav", number, LONG_S) for number in (1, 2)]
    upload = tmp_path / "recordings" / "day.zip"
    written(upload.parent, {"day.zip": zipped_files({f"{v.parent.name}/x.wav": v.read_bytes() for v in voices})})
    members = [Made(f"{number}/x.wav", number, archive="day.zip") for number in (1, 2)]
    job = made_job(*members, outside)
    written(tmp_path / "answers", {"p.json": job.predictions, "z.zip": job.artifacts})
    summary = ha.ingest(tmp_path / "answers", lake, recordings=[upload, tmp_path / "in"])
    assert summary.recordings["tied"] == 3, summary
    assert ids(lake) == sha256(*voices, tmp_path / "in" / "c.wav")
    assert f"{upload}!/1/x.wav" in {item["uri"] for item in shown_items(lake)}
    assert_shown_once(lake, job)


def test_members_of_one_name_are_not_tied_to_one_file(tmp_path: Path, lake: Lake) -> None:
    write_voice(tmp_path / "recordings" / "x.wav", 1, LONG_S)
    job = made_job(*(Made(f"{number}/x.wav", number, archive="day.zip") for number in (1, 2)))
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 0
    assert_shown_once(lake, job)


@pytest.mark.parametrize("both_were_scored", [True, False])
def test_a_member_is_tied_only_to_a_file_in_its_folder(tmp_path: Path, lake: Lake, both_were_scored: bool) -> None:
    """Of two people's files of one name only the first one's is at hand: nobody gets the other's results."""
    write_voice(tmp_path / "recordings" / "p1" / "talk.wav", 1, LONG_S)
    folders = ("p1", "p2") if both_were_scored else ("p2",)
    job = made_job(*(Made(f"{folder}/talk.wav", i, archive="all.zip") for i, folder in enumerate(folders, start=1)))
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == int(both_were_scored)
    tied = lake.sql("SELECT DISTINCT file FROM prosody_labelled WHERE ends_with(uri, '/p1/talk.wav') AND NOT contains(uri, '#')")
    assert tied.rows() == [{"file": "p1/talk.wav"}] * both_were_scored
    assert_shown_once(lake, job)


def test_a_file_that_two_results_may_be_of_is_tied_to_neither(tmp_path: Path, lake: Lake) -> None:
    write_voice(tmp_path / "recordings" / "p1" / "talk.wav", 1, LONG_S)
    jobs = made_job(Made("p1/talk.wav", 1, archive="all.zip")), made_job(Made("talk.wav", 2, archive="other.zip"))
    for number, job in enumerate(jobs):
        (tmp_path / f"{number}.json").write_bytes(job.predictions)
    summary = ha.ingest(sorted(tmp_path.glob("*.json")), lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 0
    assert sum("more than one" in note for note in summary.notes) == 2
    assert_shown_once(lake, *jobs)


def test_tables_join_by_the_recording_however_it_was_known(tmp_path: Path, lake: Lake) -> None:
    """After its file was found, a recording has one id in all tables: that of the file; and every alias leads there."""
    for i in (1, 2):
        recorded(tmp_path / "recordings" / f"p{i}" / "talk.wav", i)
    job = made_job(*(Made(f"p{i}/talk.wav", i, archive="all.zip") for i in (1, 2)))
    written(tmp_path / "in", {"p.json": job.predictions, "z.zip": job.artifacts})
    ha.ingest(tmp_path / "in", lake)
    before = lake.sql("SELECT count(*) AS n FROM prosody").rows()
    ha.ingest(tmp_path / "in", lake, recordings=tmp_path / "recordings")
    files = sorted(str(path) for path in (tmp_path / "recordings").rglob("*.wav"))
    joined = lake.sql(
        "SELECT i.uri, r.duration_s, count(*) AS n FROM prosody JOIN recordings AS r USING (recording_id) "
        "JOIN items AS i USING (recording_id) WHERE i.excluded_reason IS NULL GROUP BY ALL ORDER BY 1"
    ).rows()
    assert [row["uri"] for row in joined] == files
    assert all(row["duration_s"] == pytest.approx(LONG_S) for row in joined)
    assert sum(row["n"] for row in joined) == before[0]["n"]
    assert lake.sql("SELECT count(*) AS n FROM recordings").rows() == [{"n": 2}]
    assert lake.sql("SELECT count(DISTINCT recording_id) AS n FROM scorings").rows() == [{"n": 2}]
    aliases = lake.sql("SELECT * FROM recording_aliases").rows()
    assert len({row["alias_id"] for row in aliases}) == len(aliases) > 0
    assert {row["recording_id"] for row in aliases} <= {row["recording_id"] for row in lake.sql("FROM recordings").rows()}
    assert standing_of(lake).recordings == 2
    story = " ".join(line["what"] for line in story_of(lake, files[0]))
    assert "prosody" in story


def test_folders_with_odd_names_make_no_difference(tmp_path: Path, lake: Lake) -> None:
    made = recorded(tmp_path / "wow!" / "#1" / "a.wav", 1)
    job = made_job(made)
    written(tmp_path / "in!" / "#0", {"p.json": named_only(job)})
    ha.ingest(tmp_path / "in!", lake)
    summary = ha.ingest(tmp_path / "in!", lake, recordings=tmp_path / "wow!", labels={"who": "007"})
    assert summary.recordings["tied"] == 1
    assert lake.sql("SELECT DISTINCT who FROM prosody_labelled").rows() == [{"who": "007"}]
    assert_shown_once(lake, job)


def test_a_recording_that_cannot_be_read_is_told_and_stops_nothing(tmp_path: Path, lake: Lake) -> None:
    job = made_job(recorded(tmp_path / "recordings" / "a.wav", 1))
    (tmp_path / "recordings" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert (summary.recordings["tied"], summary.recordings["refused"]) == (1, 1)
    assert any("broken.wav" in error["message"] for error in summary.errors)
    assert [row["stage"] for row in lake.sql("FROM errors").rows()] == ["plan"]


# --------------------------------------------------------------------------------------------------- labels and exclusions
def test_labels_go_with_the_item_and_what_was_said_of_the_file_holds(tmp_path: Path, lake: Lake) -> None:
    job = made_job(recorded(tmp_path / "recordings" / "a.wav", 1))
    (tmp_path / "p.json").write_bytes(job.predictions)
    ha.ingest(tmp_path / "p.json", lake, labels={"participant": "007", "session": "1"})
    ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings", labels={"session": "2"})
    assert lake.sql("SELECT DISTINCT participant, session FROM prosody_labelled").rows() == [
        {"participant": "007", "session": "2"}
    ]
    assert_shown_once(lake, job)


def test_whoever_is_excluded_stays_so_when_the_recording_turns_up(tmp_path: Path, lake: Lake) -> None:
    job = made_job(recorded(tmp_path / "recordings" / "a.wav", 1), recorded(tmp_path / "recordings" / "b.wav", 2))
    kept = made_job(Made("b.wav", 2))
    (tmp_path / "p.json").write_bytes(job.predictions)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,participant,excluded_reason\na.wav,007,no consent\nb.wav,008,\n")
    ha.ingest(tmp_path / "p.json", lake, manifest=manifest)
    assert_shown_once(lake, kept)
    ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert_shown_once(lake, kept)
    for form in ("platform", "webhook"):
        (tmp_path / f"{form}.json").write_bytes(getattr(job, form)())
        ha.ingest(tmp_path / f"{form}.json", lake)
        assert_shown_once(lake, kept)
    manifest.write_text("file,participant,excluded_reason\na.wav,007,\nb.wav,008,\n")
    ha.ingest(tmp_path / "p.json", lake, manifest=manifest)
    assert_shown_once(lake, job)


@pytest.mark.parametrize("is_tied", [False, True])
def test_a_manifest_labels_what_was_read_before(tmp_path: Path, lake: Lake, is_tied: bool) -> None:
    names = ["a.wav", "b.wav", "c.wav"]
    job = made_job(*(recorded(tmp_path / "recordings" / name, number) for number, name in enumerate(names)))
    written(
        tmp_path / "in", {"p.json": job.predictions, "z.zip": job.artifacts, "all.zip": zipped_files({"p.json": job.webhook()})}
    )
    ha.ingest(tmp_path / "in", lake, recordings=[tmp_path / "recordings"] if is_tied else ())
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,participant,excluded_reason\na.wav,007,\nb.wav,008,\nc.wav,009,left\n")
    for given in ("p.json", "z.zip", "all.zip"):
        summary = ha.ingest(tmp_path / "in" / given, lake, manifest=manifest)
        assert (summary.files["known"], summary.notes) == (1, [])
        labelled = lake.sql("SELECT file, participant, count(*) AS n FROM prosody_labelled GROUP BY ALL ORDER BY ALL").rows()
        assert [(row["file"], row["participant"]) for row in labelled] == [("a.wav", "007"), ("b.wav", "008")]
        assert_shown_once(lake, made_job(*(Made(name, number) for number, name in enumerate(names[:2]))))
    count = lake.sql("SELECT count(*) AS n FROM labels_all").rows()
    ha.ingest(tmp_path / "in", lake, manifest=manifest)
    assert lake.sql("SELECT count(*) AS n FROM labels_all").rows() == count  # what is so already is not said again


def test_labels_reach_what_was_known_only_where_this_call_names_it(tmp_path: Path, lake: Lake) -> None:
    one, other = made_job(Made("a.wav", 1)), made_job(Made("b.wav", 2))
    written(tmp_path / "in", {"one.json": one.predictions, "other.json": other.predictions})
    ha.ingest(tmp_path / "in", lake)
    ha.ingest(tmp_path / "in" / "one.json", lake, labels={"session": "3"})
    rows = lake.sql("SELECT DISTINCT file, session FROM prosody_labelled ORDER BY file").rows()
    assert rows == [{"file": "a.wav", "session": "3"}, {"file": "b.wav", "session": None}]
    ha.ingest(tmp_path / "in" / "one.json", lake, labels={"session": ""})
    assert lake.sql("SELECT count(*) AS n FROM labels").rows() == [{"n": 0}]


# ------------------------------------------------------------------------------------------------------------- other names
@pytest.mark.parametrize("first", ["platform", "predictions", "artifacts"])
def test_an_item_has_its_name_whatever_form_came_first(tmp_path: Path, lake: Lake, first: str) -> None:
    job = made_job(Made("a.wav", 1), Made("b.wav", 2))
    forms = {"platform": job.platform(), "predictions": job.predictions, "artifacts": job.artifacts}
    for name in sorted(forms, key=lambda name: name != first):
        (tmp_path / name).write_bytes(forms[name])
        ha.ingest(tmp_path / name, lake, labels={name: "yes"})
        assert_shown_once(lake, job)
    assert [item["name"] for item in shown_items(lake)] == ["a.wav", "b.wav"]
    assert lake.sql("SELECT DISTINCT platform, predictions, artifacts FROM prosody_labelled").rows() == [
        dict.fromkeys(forms, "yes")
    ]


def test_two_members_of_an_archive_stay_two_whatever_their_rows(tmp_path: Path, lake: Lake) -> None:
    job = made_job(Made("p1/a.wav", 1, archive="day.zip"), Made("p2/a.wav", 1, archive="day.zip"), Made("b.wav", 2))
    forms = {"predictions": job.predictions, "artifacts": job.artifacts, "platform": job.platform()}
    names = list(forms)
    random.Random(3).shuffle(names)
    for name in names:
        (tmp_path / name).write_bytes(forms[name])
        ha.ingest(tmp_path / name, lake)
    assert_shown_once(lake, job)
    found = lake.sql("SELECT count(DISTINCT item_id) AS items FROM prosody_labelled").rows()
    assert found == [{"items": 3}]


# --------------------------------------------------------------------------------------------------- with what was scored
@pytest.fixture(scope="module")
def scored_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[SavedJob, list[Path]]:
    folder = tmp_path_factory.mktemp("scored")
    paths = [write_voice(folder / f"{number}.wav", number * 31) for number in range(2)]
    with Sandbox() as hume:
        return saved_job(hume, paths, models={"prosody": {}, "burst": {}}), paths


@pytest.mark.parametrize("scored_first", [True, False])
def test_what_was_saved_and_what_was_scored_is_shown_once(
    scored_job: tuple[SavedJob, list[Path]], tmp_path: Path, lake: Lake, scored_first: bool
) -> None:
    job, paths = scored_job
    forms = {"p.json": job.predictions, "z.zip": job.artifacts, "HumeAI.json": job.platform()}
    written(tmp_path / "in", forms)
    job.extract(tmp_path / "in" / "extracted")

    def score() -> None:
        with Sandbox() as hume:
            models: dict[str, Any] = {"prosody": {}, "burst": {}}
            ha.score(paths, lake, api="batch", models=models, settings=hume.settings, labels={"by": "score"})

    if scored_first:
        score()
        ha.ingest(tmp_path / "in", lake, synthetic=True)
    else:
        ha.ingest(tmp_path / "in" / "p.json", lake, synthetic=True, labels={"by": "ingest"})
        ha.ingest(tmp_path / "in" / "z.zip", lake, synthetic=True, recordings=paths)
        score()
    assert_shown_once(lake, job)
    summary = ha.ingest(tmp_path / "in", lake, synthetic=True, rehash=True, recordings=paths)
    assert summary.exit_code == 0
    assert_shown_once(lake, job)
    assert ids(lake) == sha256(*paths)
    assert [item["uri"] for item in shown_items(lake)] == sorted(map(str, paths))
    assert lake.sql('SELECT DISTINCT "by" FROM prosody_labelled').rows() == [{"by": "score"}]
    ha.rebuild(lake)
    assert_shown_once(lake, job)
    assert ids(lake) == sha256(*paths)


def test_an_item_of_before_gives_way_when_the_file_is_known_by_its_bytes(
    scored_job: tuple[SavedJob, list[Path]], tmp_path: Path, lake: Lake
) -> None:
    """Saved, then scored without a word of each other; another form of the saved answer shows that they are one."""
    job, paths = scored_job
    written(tmp_path / "in", {"p.json": job.predictions, "z.zip": job.artifacts, "w.json": job.webhook()})
    ha.ingest(tmp_path / "in" / "p.json", lake, synthetic=True, labels={"session": "1"})
    with Sandbox() as hume:
        ha.score(paths, lake, api="batch", models={"prosody": {}, "burst": {}}, settings=hume.settings)
    ha.ingest(tmp_path / "in" / "w.json", lake, synthetic=True)
    assert_shown_once(lake, job)
    assert lake.sql("SELECT DISTINCT session FROM prosody_labelled").rows() == [{"session": "1"}]
    assert [item["uri"] for item in shown_items(lake)] == sorted(map(str, paths))


def test_an_archive_of_recordings_that_is_broken_is_told(tmp_path: Path, lake: Lake) -> None:
    job = made_job(recorded(tmp_path / "recordings" / "a.wav", 1))
    with zipfile.ZipFile(tmp_path / "recordings" / "more.zip", "w") as archive:
        archive.write(tmp_path / "recordings" / "a.wav", "b.wav")
    data = (tmp_path / "recordings" / "more.zip").read_bytes()
    (tmp_path / "recordings" / "more.zip").write_bytes(data[:100] + bytes(each ^ 255 for each in data[100:104]) + data[104:])
    (tmp_path / "p.json").write_bytes(job.predictions)
    summary = ha.ingest(tmp_path / "p.json", lake, recordings=tmp_path / "recordings")
    assert summary.recordings["tied"] == 1
    assert any("more.zip" in error["message"] for error in summary.errors)
