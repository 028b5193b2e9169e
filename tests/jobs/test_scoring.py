"""One `score` after another: what is sent, what is skipped, what is refused, and what the summary says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import humeanalytics as ha
from humeanalytics import errors
from humeanalytics.jobs.ledger import LEDGER_FILE
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.jobs.reconciling import reconcile
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

JOBS = "/v0/batch/jobs"
score = partial(ha.score, api="batch", models=["prosody", "language"])


def sent(hume: Sandbox) -> int:
    return len(hume.submissions())


def rows(lake: Path, query: str) -> list[dict[str, Any]]:
    with ha.open_lake(lake) as opened:
        return opened.sql(query).rows()


# ------------------------------------------------------------------------------------------------ the ordinary nights
def test_a_growing_folder_sends_only_what_is_new(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(3), tmp_path / "lake"
    assert score(folder, lake, settings=hume.settings).recordings["scored"] == 3
    again = score(folder, lake, settings=hume.settings)
    assert (again.recordings["known"], again.recordings["sent"], again.exit_code) == (3, 0, 0)
    voices(5)
    grown = score(folder, lake, settings=hume.settings)
    assert (grown.recordings["known"], grown.recordings["scored"]) == (3, 2)
    assert sent(hume) == 5
    # A copy under another name is another item of the same recording: nothing is sent.
    (folder / "copy.wav").write_bytes((folder / "0000.wav").read_bytes())
    assert score(folder, lake, settings=hume.settings).recordings["sent"] == 0
    assert rows(lake, "SELECT count(*) AS items, count(DISTINCT recording_id) AS recordings FROM items") == [
        {"items": 6, "recordings": 5}
    ]
    # Other settings are another scoring of the same recordings, and the newer one is under the table's name.
    ha.score(folder, lake, api="batch", models={"prosody": {"granularity": "word"}}, settings=hume.settings)
    assert sent(hume) == 10
    assert rows(lake, "SELECT count(DISTINCT settings_id) AS n FROM scorings WHERE newest AND model = 'prosody'") == [{"n": 1}]
    assert score(folder, lake, settings=hume.settings, force=True).recordings["sent"] == 5
    assert sent(hume) == 15


def test_a_changed_file_is_a_new_recording(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    score(folder, lake, settings=hume.settings)
    (folder / "0001.wav").write_bytes((voices(9, "others") / "0008.wav").read_bytes())
    assert score(folder, lake, settings=hume.settings).recordings["scored"] == 1
    # Size and time can lie; --rehash does not trust them.
    path = folder / "0000.wav"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert score(folder, lake, settings=hume.settings).recordings["sent"] == 0
    assert score(folder, lake, settings=hume.settings, rehash=True).recordings["sent"] == 1


def test_recordings_of_every_kind(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    (folder / "note.txt").write_bytes("\ufeffI am glad. Thank you, Anna.".encode())
    with zipfile.ZipFile(folder / "two.zip", "w") as archive:
        for number in (20, 21):
            archive.write(voices(22, "more") / f"{number:04d}.wav", f"inner/{number}.wav")
        archive.writestr("inner/.DS_Store", b"\0\0\0\1")
    answers = tmp_path / "answers.csv"
    answers.write_text('id,answer\n007,"No."\n008,"No."\n009,"Yes, gladly."\n010,\n')
    summary = ha.score(
        folder, lake, api="batch", models=["prosody", "language"], texts=answers, text_column="answer", settings=hume.settings
    )
    assert summary.recordings["scored"] == 6  # two voices, a note, an archive, two different answers
    assert summary.exit_code == 0
    inner = rows(
        lake,
        "SELECT i.uri, s.rows > 0 AS some FROM scorings AS s JOIN items AS i USING (recording_id) "
        "WHERE i.uri LIKE '%.zip!/%' AND model = 'prosody'",
    )
    assert [(Path(row["uri"]).name, row["some"]) for row in sorted(inner, key=lambda row: row["uri"])] == [
        ("20.wav", True),
        ("21.wav", True),
    ]
    assert rows(lake, "SELECT recording_id FROM scorings WHERE file = 'inner/20.wav' AND model = 'prosody'") == [
        {"recording_id": hashlib.sha256((tmp_path / "more" / "0020.wav").read_bytes()).hexdigest()}
    ]
    assert [row["message"] for row in rows(lake, "SELECT message FROM errors")] == ["unable to determine file type"]
    # Two people who wrote the same are two items of one recording, each with labels of their own.
    said = "SELECT id, text FROM language_labelled WHERE id IS NOT NULL ORDER BY id"
    assert rows(lake, said) == [
        {"id": "007", "text": "No."},
        {"id": "008", "text": "No."},
        {"id": "009", "text": "Yes, gladly."},
    ]
    again = ha.score(
        folder, lake, api="batch", models=["prosody", "language"], texts=answers, text_column="answer", settings=hume.settings
    )
    assert again.recordings["sent"] == 0


def test_texts_keep_their_places(hume: Sandbox, tmp_path: Path) -> None:
    """Hume answers texts under numbers, in any order: each answer must come to the text it is of."""
    table = tmp_path / "texts.parquet"
    texts = [f"Sentence number {number} is here." for number in range(60)]
    pq.write_table(pa.table({"text": texts, "row": np.arange(60)}), table)
    ha.score([], tmp_path / "lake", api="batch", models=["language"], texts=table, settings=hume.settings)
    found = rows(tmp_path / "lake", "SELECT text, row FROM language_labelled")
    assert {(row["text"], row["row"]) for row in found} == {(text, str(number)) for number, text in enumerate(texts)}


@pytest.mark.parametrize("base", [0, 1])
def test_texts_numbered_from_either_end(base: int, tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("text,who\nI am happy.,a\nI am sad.,b\nI am tired.,c\n")
    with Sandbox(options=SandboxOptions(text_index_base=base)) as hume:
        ha.score([], tmp_path / "lake", api="batch", models=["language"], texts=texts, settings=hume.settings)
    found = rows(tmp_path / "lake", "SELECT who, text FROM language_labelled ORDER BY who")
    assert [row["text"] for row in found] == ["I am happy.", "I am sad.", "I am tired."]


@pytest.fixture
def web(voices: Callable[..., Path]) -> Iterator[str]:
    """A folder of recordings on a web server of this machine."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(voices(3, "web")))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_urls_and_their_signatures(web: str, hume: Sandbox, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    signed = [f"{web}/000{number}.wav?X-Amz-Signature=s3cr3t{number}&id={number}" for number in range(2)]
    summary = score([*signed, f"{web}/absent.wav"], lake, settings=hume.settings)
    assert (summary.recordings["scored"], summary.recordings["failed"], summary.exit_code) == (2, 1, 3)
    # Signed anew, they are the same recordings.
    resigned = [url.replace("s3cr3t", "0ther") for url in signed]
    assert score([*resigned, f"{web}/absent.wav"], lake, settings=hume.settings).recordings["sent"] == 0
    assert {row["uri"] for row in rows(lake, "SELECT uri FROM items")} == {
        *(f"{web}/000{number}.wav?id={number}" for number in range(2)),
        f"{web}/absent.wav",
    }
    everything = b"".join(path.read_bytes() for path in lake.rglob("*") if path.is_file() and "sandbox" not in path.parts)
    assert b"s3cr3t" not in everything
    with ha.open_lake(lake) as opened:
        raw = b"".join(opened.raw.open(file.response_id).read() for file in opened.raw.list())
        assert b"s3cr3t" not in raw
        assert b"X-Amz-Signature=" in raw  # blanked, not lost


def test_labels_come_from_manifest_and_flags(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake, manifest = voices(3), tmp_path / "lake", tmp_path / "people.csv"
    manifest.write_text(
        "file,participant,excluded_reason,recorded_at\n0000.wav,007,,2026-10-01T14:00:00+02:00\n0001.wav,008,,\n0002.wav,009,withdrew,\n"
    )
    summary = score(folder, lake, manifest=manifest, labels={"site": "Ghent"}, settings=hume.settings)
    assert (summary.recordings["scored"], summary.recordings["excluded"], sent(hume)) == (2, 1, 2)
    labelled = "SELECT DISTINCT participant, site FROM prosody_labelled ORDER BY ALL"
    assert rows(lake, labelled) == [{"participant": "007", "site": "Ghent"}, {"participant": "008", "site": "Ghent"}]
    when = rows(lake, "SELECT recorded_at, recorded_at_source FROM items WHERE name = '0000.wav'")[0]
    assert (when["recorded_at"].isoformat(), when["recorded_at_source"]) == ("2026-10-01T12:00:00+00:00", "manifest")
    # A later manifest changes the labels of what is known, and takes a recording out of the plain tables.
    manifest.write_text("file,participant,excluded_reason\n0000.wav,700,\n0001.wav,008,withdrew\n")
    again = score(folder, lake, manifest=manifest, settings=hume.settings)
    assert again.recordings["sent"] == 0
    assert rows(lake, labelled) == [{"participant": "700", "site": "Ghent"}]
    assert rows(lake, "SELECT count(DISTINCT recording_id) AS n FROM prosody") == [{"n": 1}]
    assert rows(lake, "SELECT count(DISTINCT recording_id) AS n FROM prosody_all") == [{"n": 2}]


def test_what_no_model_can_answer_for_is_not_sent(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    (folder / "note.txt").write_text("A text has no voice.")
    for _ in range(2):
        summary = ha.score(folder, lake, api="batch", models=["prosody"], settings=hume.settings)
        assert (summary.recordings["unsuited"], summary.exit_code, sent(hume)) == (1, 0, 2)
        assert any("none of the models chosen" in note for note in summary.notes)
    assert ha.score(folder, lake, api="batch", models=["language"], settings=hume.settings).recordings["scored"] == 3


def test_manifest_and_folder_that_do_not_fit_are_told_of(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_text("file,participant\n0000.wav,007\nabsent.wav,008\n")
    notes = "\n".join(score(voices(2), tmp_path / "lake", manifest=manifest, settings=hume.settings).notes)
    assert "in the manifest, but not found: absent.wav (line 3)" in notes
    assert "found, but not in the manifest, so without its labels: 0001.wav" in notes


# ------------------------------------------------------------------------------------------------ what is refused
def test_bad_files_never_stop_the_others(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    (folder / "empty.wav").write_bytes(b"")
    (folder / "letter.docx").write_bytes(b"PK\x03\x04 not really")
    (folder / "page.mp4").write_text("<!doctype html><html><body>Sign in</body></html>")
    with (folder / "huge.wav").open("wb") as file:
        file.write((folder / "0000.wav").read_bytes())
        file.truncate(100_000_001)
    first = score(folder, lake, settings=hume.settings)
    assert (first.recordings["scored"], first.recordings["refused"], first.exit_code) == (2, 4, 3)
    told = {Path(row["uri"]).name: row for row in rows(lake, "SELECT * FROM errors")}
    assert set(told) == {"empty.wav", "letter.docx", "page.mp4", "huge.wav"}
    assert "empty" in told["empty.wav"]["message"]
    assert "HTML" in told["page.mp4"]["message"]
    assert "up to 100 MB" in told["huge.wav"]["message"]
    assert told["huge.wav"]["error"] == "LimitExceeded"
    second = score(folder, lake, settings=hume.settings)
    assert (second.recordings["failed_before"], second.exit_code) == (4, 0)
    third = score(folder, lake, settings=hume.settings, retry_failed=True)
    assert (third.recordings["refused"], third.exit_code) == (4, 3)
    assert sent(hume) == 2


def test_no_key_says_how_to_set_one(voices: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HUME_API_KEY", "HUME_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.MissingKey, match=r"HUME_API_KEY .*--sandbox"):
        score(voices(1), tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_sandbox_results_never_enter_a_real_lake(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    with ha.open_lake(tmp_path / "lake") as lake:
        lake.claim(synthetic=False)
    with pytest.raises(errors.LakeMixed):
        score(voices(1), tmp_path / "lake", settings=hume.settings)
    assert sent(hume) == 0


def test_a_lake_whose_ledger_is_gone_sends_nothing(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(1), tmp_path / "lake"
    score(folder, lake, settings=hume.settings)
    (lake / LEDGER_FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(errors.LedgerMismatch, match="would be sent again"):
        score(folder, lake, settings=hume.settings)
    assert sent(hume) == 1


def test_the_second_of_two_runs_is_told_who_holds_the_lake(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(1), tmp_path / "lake"
    score(folder, lake, settings=hume.settings)
    with flow_lock(lake / "locks", "batch", lake_uri=str(lake)):
        with pytest.raises(errors.LakeLocked, match=f"process {os.getpid()} on this machine"):
            score(folder, lake, settings=hume.settings)
        assert rows(lake, "SELECT count(*) AS n FROM prosody")[0]["n"] > 0  # queries go on
        ha.ingest(_saved(tmp_path), lake, synthetic=True)  # and so do other flows
    assert score(folder, lake, settings=hume.settings).exit_code == 0


def _saved(folder: Path) -> Path:
    path = folder / "saved.json"
    prediction = {"file": "a.wav", "file_type": "audio", "models": {"burst": {"metadata": None, "grouped_predictions": []}}}
    path.write_text(
        json.dumps([{"source": {"type": "url", "url": "http://x/a.wav"}, "results": {"predictions": [prediction], "errors": []}}])
    )
    return path


# ------------------------------------------------------------------------------------------------ the service at its worst
def impatient(hume: Sandbox, **more: Any) -> ha.Settings:
    return hume.settings.model_copy(update={"retry_deadline_s": 1.0, **more})


@pytest.mark.parametrize(
    ("fault", "error", "exit_code"),
    [
        ({"status": 401, "body": {"fault": {"faultstring": "Invalid ApiKey"}}}, errors.AuthenticationFailed, 4),
        ({"status": 403, "body": {"message": "not for you"}}, errors.PermissionDenied, 4),
        ({"discontinued": True}, errors.ServiceDiscontinued, 4),
        ({"status": 429}, errors.RateLimited, 75),
        ({"status": 503}, errors.ServerFailed, 75),
    ],
)
def test_a_service_that_lets_nobody_in(
    fault: dict[str, Any],
    error: type[errors.HumeAnalyticsError],
    exit_code: int,
    voices: Callable[..., Path],
    hume: Sandbox,
    tmp_path: Path,
) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    hume.set_faults([{"path": f"{JOBS}*", "method": "POST", **fault}])
    with pytest.raises(error) as raised:
        score(folder, lake, settings=impatient(hume))
    assert raised.value.exit_code == exit_code
    assert "sent" not in str(raised.value)
    hume.set_faults([])
    assert score(folder, lake, settings=hume.settings).recordings["scored"] == 2
    assert sent(hume) == 2


def test_a_job_that_fails_is_told_of_and_not_sent_every_night(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(3), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "fail_job": "user 'u' has exceeded their usage limit"}])
    summary = score(folder, lake, settings=hume.settings)
    assert (summary.recordings["failed"], summary.exit_code) == (3, 3)
    assert {row["message"] for row in rows(lake, "SELECT message FROM errors")} == {
        "The job failed at Hume: user 'u' has exceeded their usage limit"
    }
    hume.set_faults([])
    again = score(folder, lake, settings=hume.settings)
    assert (again.recordings["failed_before"], again.recordings["sent"], again.exit_code) == (3, 0, 0)
    assert score(folder, lake, settings=hume.settings, retry_failed=True).recordings["scored"] == 3


def test_one_recording_that_fails_in_a_job(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(4), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "file_error": "transcript confidence too low", "file": "0002.wav"}])
    summary = score(folder, lake, settings=hume.settings)
    assert (summary.recordings["scored"], summary.recordings["failed"], summary.exit_code) == (3, 1, 3)
    assert [Path(row["uri"]).name for row in rows(lake, "SELECT uri FROM errors")] == ["0002.wav"]
    assert score(folder, lake, settings=hume.settings).recordings["failed_before"] == 1


def test_a_request_refused_for_one_recording_goes_on_without_it(
    voices: Callable[..., Path], hume: Sandbox, tmp_path: Path
) -> None:
    folder, lake = voices(7), tmp_path / "lake"
    # Refused whole, then its halves, until the third request alone is left to blame.
    refusals = [
        {"method": "POST", "path": JOBS, "status": 400, "body": {"message": "bad file"}, "times": 1, "after": n}
        for n in (0, 1, 3)
    ]
    hume.set_faults(refusals)
    summary = score(folder, lake, settings=hume.settings.model_copy(update={"concurrency": 1}))
    assert summary.recordings["scored"] + summary.recordings["failed"] == 7
    assert summary.recordings["failed"] <= 2
    assert sent(hume) == summary.recordings["scored"]
    assert rows(lake, "SELECT count(*) AS n FROM errors") == [{"n": summary.recordings["failed"]}]


def test_a_request_refused_whatever_it_holds_ends_the_run(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(40), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "status": 400, "body": {"message": "models: unknown"}}])
    with pytest.raises(errors.RequestRejected, match="refuses every request"):
        score(folder, lake, settings=hume.settings)
    assert len(rows(lake, "SELECT * FROM errors")) < 10


def test_results_that_are_gone(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(1), tmp_path / "lake"
    hume.set_faults([{"method": "GET", "path": f"{JOBS}/*/predictions", "status": 404, "body": {"message": "job not found"}}])
    summary = score(folder, lake, settings=hume.settings)
    assert (summary.recordings["failed"], summary.exit_code) == (1, 3)
    assert rows(lake, "SELECT state FROM jobs") == [{"state": "gone"}]


def test_an_answer_that_is_no_predictions(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(1), tmp_path / "lake"
    hume.set_faults([{"method": "GET", "path": f"{JOBS}/*/predictions", "wrong_body": '[{"hello": 1}]'}])
    summary = score(folder, lake, settings=impatient(hume))
    assert summary.exit_code in (3, 75)
    assert summary.recordings["scored"] == 0
    assert rows(lake, "SELECT count(*) AS n FROM prosody_all") == [{"n": 0}]


def test_waiting_has_an_end_and_can_go_on(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "stuck": "IN_PROGRESS"}])
    with pytest.raises(errors.WaitTimeout, match="1 jobs had not ended after 2 s") as raised:
        score(folder, lake, settings=hume.settings.model_copy(update={"wait_s": 2.0}))
    job = rows(lake, "SELECT hume_job_id, state FROM jobs")[0]
    assert job["state"] == "accepted"
    assert job["hume_job_id"] in str(raised.value)
    assert "humeanalytics score" in str(raised.value)


def test_new_things_from_hume_are_kept(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(2), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "new_names": True}, {"method": "POST", "path": JOBS, "new_fields": True}])
    summary = score(folder, lake, settings=hume.settings)
    assert (summary.recordings["scored"], summary.exit_code) == (2, 0)
    declared = set(ha.vocabulary.names_of("prosody"))
    new = rows(lake, "SELECT \"column\", name FROM names WHERE list_contains(models, 'prosody')")
    assert len(new) > len(declared)


# ------------------------------------------------------------------------------------------------ lost answers
def test_a_lost_answer_is_found_again(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(3), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "drop_after": True, "times": 1}])
    # The list is down as well: the run ends with the submission in doubt.
    stopped = impatient(hume, settle_s=60.0, wait_s=3.0)
    with pytest.raises(errors.WaitTimeout):
        with_faults = [{"method": "GET", "path": JOBS, "status": 503, "after": 1}]
        hume.set_faults([{"method": "POST", "path": JOBS, "drop_after": True, "times": 1}, *with_faults])
        score(folder, lake, settings=stopped.model_copy(update={"retry_deadline_s": 30.0}))
    assert rows(lake, "SELECT state FROM jobs") == [{"state": "unknown"}]
    hume.set_faults([])
    found = reconcile(lake, settings=hume.settings)
    assert (found.jobs["adopted"], found.exit_code) == (1, 0)
    assert score(folder, lake, settings=hume.settings).recordings["under_way"] == 3
    assert rows(lake, "SELECT count(DISTINCT recording_id) AS n FROM scorings") == [{"n": 3}]
    assert sent(hume) == 3


def test_a_submission_never_accepted_is_sent_again(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(3), tmp_path / "lake"
    hume.set_faults([{"method": "POST", "path": JOBS, "drop_before": True, "times": 1}])
    summary = score(folder, lake, settings=hume.settings)
    assert (summary.recordings["scored"], summary.exit_code) == (3, 0)
    assert sent(hume) == 3


# ------------------------------------------------------------------------------------------------ other callers
def test_from_a_running_event_loop(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(1), tmp_path / "lake"

    async def cell() -> ha.RunSummary:
        return score(folder, lake, settings=hume.settings)

    assert asyncio.run(cell()).recordings["scored"] == 1


def test_from_several_threads_on_several_lakes(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    folder = voices(2)
    summaries: list[ha.RunSummary] = []

    def work(number: int) -> None:
        summaries.append(score(folder, tmp_path / f"lake{number}", settings=hume.settings))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summary.recordings["scored"] for summary in summaries] == [2, 2, 2]


def test_the_summary_reads_well(voices: Callable[..., Path], hume: Sandbox, tmp_path: Path) -> None:
    summary = score(voices(1), tmp_path / "lake", settings=hume.settings)
    assert "1 scored" in str(summary)
    assert "synthetic" in str(summary)
    assert json.loads(summary.to_json())["recordings"]["scored"] == 1
    assert "<table" in summary._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": ".", "budget_s": 10.0}, "are for v1"),
        ({"api": "speech"}, "no API 'speech'"),
        ({"inputs": "nowhere.wav"}, "no file or folder 'nowhere.wav'"),
        ({"inputs": "*.nothing"}, "Nothing matches"),
        ({"inputs": ["https://"]}, "not a complete URL"),
        ({"inputs": []}, "Nothing to score"),
    ],
)
def test_calls_that_mean_nothing(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"api": "batch", "inputs": [], **arguments}
    with pytest.raises(errors.UsageError, match=message):
        ha.score(given.pop("inputs"), tmp_path / "lake", **given)
