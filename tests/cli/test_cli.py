"""The command line: what it prints, what it returns, and that every command explains itself."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.main import get_command

import humeanalytics as ha
from humeanalytics.cli import app as cli
from humeanalytics.samples import sample, samples_folder

_CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("HUME_", "HUMEANALYTICS_"))}


def process(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as people do."""
    return subprocess.run(
        [sys.executable, "-m", "humeanalytics", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**_CLEAN, **environment},
        check=False,
    )


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: to start one takes longer than most of what is asked here."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = signal.getsignal(signal.SIGTERM)
    try:
        environ = patch.dict(os.environ, {**_CLEAN, **environment}, clear=True)
        with environ, chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
            code = cli.run(list(arguments))
    finally:
        signal.signal(signal.SIGTERM, before)
    return subprocess.CompletedProcess(arguments, code, *(each.buffer.getvalue().decode() for each in (out, err)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo has run once."""
    folder = tmp_path_factory.mktemp("demo")
    done = process("demo", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def lake(demo: Path) -> str:
    return str(demo / "humeanalytics-demo" / "lake")


def commands() -> list[tuple[str, ...]]:
    cli._register()
    names: list[tuple[str, ...]] = []
    for name, command in get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        names += [(name, each) for each in inner] if inner else [(name,)]
    return names


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*command, "--help"]) == 0
    assert f"Example: humeanalytics {' '.join(command)}" in capsys.readouterr().out


def test_the_demo_shows_tables_sql_and_a_picture(demo: Path, lake: str) -> None:
    printed = (demo / "printed.txt").read_text()
    assert "5 scored" in printed
    assert printed.count("SELECT") == 3
    assert "007" in printed  # an id that is text stays text
    assert "switched off in June 2026" in printed
    picture = demo / "humeanalytics-demo" / "timeline.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000


def test_a_second_demo_finds_nothing_to_do(demo: Path, lake: str) -> None:
    before = json.loads(run("sql", "SELECT count(*) AS n FROM prosody_all", "--lake", lake, "--json").stdout)
    done = run("demo", "--quiet", cwd=demo)
    assert done.returncode == 0
    assert "Nothing new" in done.stdout
    assert json.loads(run("sql", "SELECT count(*) AS n FROM prosody_all", "--lake", lake, "--json").stdout) == before


def test_sql_prints_json_and_nothing_else(lake: str) -> None:
    query = "SELECT name, recorded_at, CAST('nan' AS DOUBLE) AS nothing, [1, 2] AS list FROM items ORDER BY name LIMIT 1"
    done = process("sql", query, "--lake", lake, "--json", TZ="Asia/Tokyo")
    assert done.returncode == 0
    assert json.loads(done.stdout) == [
        {"name": "007_diary.txt", "recorded_at": "2026-10-03T18:40:00Z", "nothing": None, "list": [1, 2]}
    ]
    assert "007_diary.txt" in run("sql", query, "--lake", lake).stdout


def test_sql_writes_files(lake: str, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    done = run("sql", "SELECT name FROM items ORDER BY name", "--lake", lake, "-o", str(tmp_path / "items.csv"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "items.csv").read_text().splitlines()[:2] == ["name", "007_diary.txt"]
    run("sql", "SELECT name FROM items", "--lake", lake, "-o", str(tmp_path / "items.parquet"))
    assert pq.read_table(tmp_path / "items.parquet").num_rows == 5
    assert run("sql", "SELECT 1", "--lake", lake, "-o", str(tmp_path / "items.doc")).returncode == 2


def test_sql_errors_are_duckdbs_own_with_the_tables_there_are(lake: str) -> None:
    done = run("sql", "SELECT * FROM prosodie", "--lake", lake)
    assert done.returncode == 2
    assert "prosodie" in done.stderr
    assert "prosody" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("sql", "SELEKT 1", "--lake", lake).returncode == 2
    dropped = process("sql", "DROP TABLE prosody", "--lake", lake)
    assert (dropped.returncode, dropped.stdout, "only read" in dropped.stderr) == (2, "", True)


@pytest.mark.parametrize("command", ["tables", "status", "errors", "runs", "doctor"])
def test_every_answer_comes_as_json_too(command: str, lake: str) -> None:
    done = run(command, "--lake", lake, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) is not None
    assert run(command, "--lake", lake).stdout.strip()


def test_the_story_of_one_recording(lake: str) -> None:
    done = run("why", "007_interview.flac", "--lake", lake)
    assert done.returncode == 0
    for word in ("found at", "planned", "intent", "accepted", "received", "loaded", "prosody:"):
        assert word in done.stdout
    assert run("why", "nobody.wav", "--lake", lake).returncode == 2


def test_plots_are_files(lake: str, tmp_path: Path) -> None:
    done = run("plot", "timeline", "prosody", "--recording", "007_interview.flac", "--lake", lake, "-o", str(tmp_path / "t.png"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    done = run("plot", "top", "face", "--lake", lake, "-o", str(tmp_path / "t.svg"), "--theme", "dark")
    assert done.returncode == 0, done.stderr
    assert b"<svg" in (tmp_path / "t.svg").read_bytes()
    several = run("plot", "timeline", "prosody", "--lake", lake, "-o", str(tmp_path / "x.png"))
    assert several.returncode == 2
    assert "--recording" in several.stderr


def test_a_summary_is_a_wide_table(lake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = tmp_path / "wide.csv"
    assert cli.run(["summarise", "--lake", lake, "--model", "prosody", "--expressions", "joy", "-o", str(wide), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    with ha.open_lake(lake) as opened:
        expected = opened.sql("SELECT participant, count(*) AS n FROM prosody_labelled GROUP BY ALL ORDER BY ALL").rows()
    assert [(row["participant"], row["n_rows"]) for row in rows] == [(row["participant"], row["n"]) for row in expected]
    header, first, *_ = wide.read_text(encoding="utf-8").splitlines()
    assert header.startswith('"participant","n_units","n_rows","covered_s","coverage","joy_mean"')
    assert first.split(",")[0].strip('"') == rows[0]["participant"]
    assert cli.run(["summarise", "--lake", lake]) == 2


def test_no_lake_and_no_key_say_what_to_do(tmp_path: Path) -> None:
    done = run("status", cwd=tmp_path)
    assert (done.returncode, "HUMEANALYTICS_LAKE" in done.stderr) == (2, True)
    done = run("status", "--lake", "nothing", cwd=tmp_path)
    assert (done.returncode, "humeanalytics demo" in done.stderr) == (2, True)
    done = run("score", str(samples_folder() / "recordings"), "--api", "batch", "--lake", "lake", cwd=tmp_path)
    assert (done.returncode, "--sandbox" in done.stderr, "HUME_API_KEY" in done.stderr) == (2, True, True)
    done = run("score", str(samples_folder() / "recordings"), "--lake", "lake", cwd=tmp_path)
    assert (done.returncode, "api.cloud.hume.ai" in done.stderr, "HUME_API_KEY" in done.stderr) == (2, True, True)
    done = run("score", str(samples_folder() / "recordings"), "--models", "prosody", "--lake", "lake", cwd=tmp_path)
    assert (done.returncode, "--api batch" in done.stderr) == (2, True)


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / "humeanalytics.toml").write_text("concurency = 3\n")
    done = run("score", ".", "--api", "batch", "--lake", "lake", "--sandbox", cwd=tmp_path)
    assert (done.returncode, "concurency" in done.stderr) == (2, True)
    (tmp_path / "humeanalytics.toml").write_text("concurrency = 0\n")
    done = run("score", ".", "--api", "batch", "--lake", "lake", "--sandbox", cwd=tmp_path)
    assert (done.returncode, "concurrency" in done.stderr) == (2, True)


def test_the_sandbox_stays_out_of_a_real_lake(tmp_path: Path) -> None:
    with ha.open_lake(tmp_path / "lake") as lake:
        lake.claim(synthetic=False)
    done = run("score", str(samples_folder() / "recordings"), "--api", "batch", "--sandbox", "--lake", str(tmp_path / "lake"))
    assert done.returncode == 2
    assert not (tmp_path / "lake" / "sandbox").exists()


def test_a_dry_run_sends_and_writes_nothing(tmp_path: Path) -> None:
    folder = samples_folder() / "recordings"
    done = run("score", str(folder), "--api", "batch", "--dry-run", "--lake", str(tmp_path / "lake"), "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["recordings"]["found"] == 5
    assert plan["media_types"] == {"audio": 2, "text": 2, "video": 1}
    assert plan["jobs"] == 2
    assert plan["cost_usd"] > 0
    assert not (tmp_path / "lake").exists()


def test_a_dry_run_over_a_known_folder_finds_nothing(lake: str) -> None:
    folder = samples_folder() / "recordings"
    plan = json.loads(run("score", str(folder), "--api", "batch", "--dry-run", "--lake", lake, "--json").stdout)
    assert plan["jobs"] == 0
    assert plan["recordings"]["known"] == 5


def test_ingest_what_was_saved(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    (tmp_path / "junk.json").write_text('{"hello": "world"}')
    (tmp_path / "cut.json").write_bytes(sample("predictions.json").read_bytes()[:5000])
    done = run("ingest", str(sample("predictions.json")), str(tmp_path), "--lake", lake, "--synthetic", "--json", "--quiet")
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    assert summary["files"]["loaded"] == 1
    assert summary["files"]["failed"] == 2
    messages = {Path(error["uri"]).name: error["message"] for error in summary["errors"]}
    assert "hello" in messages["junk.json"]
    assert "byte" in messages["cut.json"]
    assert len(json.loads(run("errors", "--lake", lake, "--json").stdout)) == 2
    again = run("ingest", str(sample("predictions.json")), "--lake", lake, "--synthetic", "--json", "--quiet")
    assert json.loads(again.stdout)["files"]["known"] == 1
    counted = "SELECT (SELECT count(*) FROM prosody) = (SELECT sum(rows) FROM scorings WHERE model = 'prosody') AS same"
    assert json.loads(run("sql", counted, "--lake", lake, "--json").stdout) == [{"same": True}]
    real = run("ingest", str(sample("predictions.json")), "--lake", lake)
    assert (real.returncode, "--synthetic" in real.stderr) == (2, True)


def test_ingest_leaves_lakes_alone_and_takes_a_manifest(lake: str, tmp_path: Path) -> None:
    shutil.copytree(lake, tmp_path / "saved" / "lake")
    shutil.copy(sample("predictions.json"), tmp_path / "saved")
    target = str(tmp_path / "target")
    manifest = str(sample("manifest.csv"))
    done = run("ingest", str(tmp_path / "saved"), "--lake", target, "--synthetic", "--manifest", manifest, "--json", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["files"] == {"found": 1, "known": 0, "loaded": 1}
    query = "SELECT DISTINCT participant FROM prosody_labelled ORDER BY ALL"
    assert json.loads(run("sql", query, "--lake", target, "--json").stdout) == [{"participant": "007"}, {"participant": "012"}]


@pytest.mark.parametrize("command", ["rebuild", "reconcile"])
def test_upkeep_of_a_lake_that_is_not_there(command: str, tmp_path: Path) -> None:
    done = run(command, "--lake", str(tmp_path / "typo"), HUME_API_KEY="any", HUME_BASE_URL="http://127.0.0.1:9")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert not (tmp_path / "typo").exists()


def test_a_place_where_no_lake_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = run("ingest", str(sample("predictions.json")), "--lake", str(tmp_path / "file" / "lake"), "--synthetic")
    assert (done.returncode, "Traceback" in done.stderr, "lake" in done.stderr) == (2, False, True)


def test_a_container_that_stops_us_gets_a_clean_end(tmp_path: Path) -> None:
    (tmp_path / "slow.json").write_text(json.dumps([{"method": "POST", "path": "/v0/batch/jobs", "stuck": "IN_PROGRESS"}]))
    command = [sys.executable, "-m", "humeanalytics.sandbox", "--port", "0", "--faults", str(tmp_path / "slow.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip().rpartition(" ")[2]
        score = ["score", str(samples_folder() / "recordings"), "--api", "batch", "--lake", str(tmp_path / "lake"), "--quiet"]
        process = subprocess.Popen(
            [sys.executable, "-m", "humeanalytics", *score],
            env={**_CLEAN, "HUME_BASE_URL": url, "HUME_API_KEY": "any"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not list((tmp_path / "lake" / "raw").rglob("*.zst") if (tmp_path / "lake").exists() else ()):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.terminate()
            _, err = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in err, "goes on" in err) == (75, False, True)
        finally:
            process.kill()
            server.terminate()


def test_a_lake_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    ha.open_lake(tmp_path / "lake").close()
    told = json.loads((tmp_path / "lake" / "lake.json").read_text())
    (tmp_path / "lake" / "lake.json").write_text(json.dumps({**told, "format": 9}))
    done = run("status", "--lake", str(tmp_path / "lake"))
    assert done.returncode == 2
    assert "9" in done.stderr
    assert "1" in done.stderr


def test_a_second_run_at_once_says_who_holds_the_lake(tmp_path: Path) -> None:
    (tmp_path / "slow.json").write_text(json.dumps([{"method": "POST", "path": "/v0/batch/jobs", "stuck": "IN_PROGRESS"}]))
    command = [sys.executable, "-m", "humeanalytics.sandbox", "--port", "0", "--faults", str(tmp_path / "slow.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip().rpartition(" ")[2]
        environment = {"HUME_BASE_URL": url, "HUME_API_KEY": "any"}
        score = ["score", str(samples_folder() / "recordings"), "--api", "batch", "--lake", str(tmp_path / "lake"), "--quiet"]
        first = subprocess.Popen(
            [sys.executable, "-m", "humeanalytics", *score],
            env={**_CLEAN, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "lake" / "locks" / "batch.holder.json").exists():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            second = process(*score, **environment)
            assert second.returncode == 75
            assert f"process {first.pid}" in second.stderr
            assert run("status", "--lake", str(tmp_path / "lake")).returncode == 0
            first.send_signal(signal.SIGINT)
            out, err = first.communicate(timeout=60)
            assert first.returncode == 75, out + err
            assert "Traceback" not in err
            assert "goes on" in err
        finally:
            first.kill()
            server.terminate()


def test_runs_tell_how_many_chats_came(tmp_path: Path) -> None:
    with ha.Sandbox(options=ha.SandboxOptions(evi_chats=7, evi_running=0)) as hume:
        ha.export_chats(tmp_path / "lake", settings=hume.settings)
    done = run("runs", "--lake", str(tmp_path / "lake"))
    assert done.returncode == 0
    assert "7 chats found, 7 chats new" in " ".join(done.stdout.split())


def test_score_by_v1_as_a_command(tmp_path: Path) -> None:
    """It is what `score` does where nothing is said; each of its own options is understood."""
    recordings, lake = str(samples_folder() / "recordings"), str(tmp_path / "lake")
    own = ("--channels", "split", "--fps", "1", "--crop", "0,0,320,240", "--budget", "1000", "--resend-unknown", "unbilled")
    told = json.loads(run("score", recordings, "--lake", lake, *own, "--dry-run", "--json").stdout)
    assert {Path(each["uri"]).name for each in told["planned"]} >= {"007_interview.flac", "012_greeting.mp4"}
    assert told["requests"] == sum(each["requests"] for each in told["planned"]) and told["billed_s"] > 40
    done = run("score", recordings, "--lake", lake, *own, "--sandbox", "--json", "--quiet")
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["recordings"]["scored"]) == (0, 3), done.stderr
    assert summary["billed_s"] == pytest.approx(told["billed_s"], abs=1)
    again = json.loads(run("score", recordings, "--lake", lake, *own, "--sandbox", "--json", "--quiet").stdout)
    assert (again["recordings"]["known"], again["billed_s"]) == (3, 0.0)
    assert run("score", recordings, "--lake", lake, "--budget", "5", "--sandbox", "--quiet").returncode == 5
    looked = json.loads(run("reconcile", "--lake", lake, "--sandbox", "--json").stdout)
    assert (looked["exit_code"], looked["uploads"]) == (0, {})
