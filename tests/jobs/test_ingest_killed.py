"""Processes killed while they ingest, full disks, Ctrl-C: the same call goes on; nothing is missing, doubled or left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import loky
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from made_jobs import Made, contents, counted, made_job, rows_of, written

import humeanalytics as ha
from humeanalytics.errors import DiskFull, Interrupted, LakeLocked
from humeanalytics.jobs import ingesting
from humeanalytics.jobs.ledger import Ledger
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.jobs.processes import WorkerDied, map_in_order, worker_pool
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.loads import Loads
from humeanalytics.lake.raw import RawWriter
from humeanalytics.settings import load_settings

on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes under /proc")
JOBS = [made_job(*(Made(f"{n}-{i}.wav", 10 * n + i, rows=6) for i in range(3)), texts=["No.", f"Day {n}."]) for n in range(40)]
#: A plain script, as people write them: there is no main guard in it. Little is worth a process, a task, a load.
SCRIPT = """
import sys
from humeanalytics.cli.app import run
from humeanalytics.jobs import ingesting

ingesting._WORTH_A_PROCESS_BYTES = 0
ingesting._TASK_INPUTS, ingesting._LOAD_INPUTS = 3, 9
sys.exit(run(["ingest", sys.argv[1], "--lake", sys.argv[2], "--workers", "2", "--quiet"]))
"""
#: In every process: opening a certain file brings a worker down, as a fault in a library would.
POISON = """
import os, sys
def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("poison.json") and "popen_loky" in " ".join(sys.orig_argv):
        os._exit(9)
sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"{n:02d}.json": job.predictions for n, job in enumerate(JOBS)} | {"cut.json": JOBS[0].predictions[:-9]}
    return written(tmp_path_factory.mktemp("saved") / "in", files)


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    with ha.open_lake(tmp_path_factory.mktemp("lake") / "lake") as lake:
        ha.ingest(folder, lake, settings=load_settings(workers=1))
        assert counted(lake) == rows_of(*JOBS)
        return contents(lake)


class Run:
    """An ingest in processes of its own, which can be found again whatever becomes of the first of them."""

    def __init__(self, folder: Path, lake: Path, **environment: str) -> None:
        self.mark = f"HUMEANALYTICS_TESTED={uuid.uuid4().hex}"
        (script := lake.with_name("script.py")).write_text(SCRIPT)
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder), str(lake)],
            env={**os.environ, name: value, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def others(self, *, only: str = "") -> list[int]:
        """The processes it has started that are there now."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and self.mark.encode() in (entry / "environ").read_bytes():
                    found += [int(entry.name)] if only.encode() in (entry / "cmdline").read_bytes() else []
        return [pid for pid in found if pid != self.process.pid]

    def wait_until(self, what: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not what():
            assert time.monotonic() < end
            if self.process.poll() is not None:
                return
            time.sleep(0.01)

    def end(self) -> str:
        """Wait for it, and for all that it has started."""
        output, _ = self.process.communicate(timeout=120)
        end = time.monotonic() + 10
        while self.others():
            assert time.monotonic() < end, "processes stayed behind"
            time.sleep(0.05)
        return output


def under_way(lake: Path) -> bool:
    return any((lake / "pending").glob("*.json"))


def assert_nothing_left(lake: Lake) -> None:
    """No load is pending, and every file of rows belongs to its table."""
    assert lake.loads.pending() == []
    assert not any(path.suffix == ".json" for path in (lake.path / "pending").iterdir())
    for table in (lake.path / "tables").iterdir():
        told = "".join(log.read_text() for log in (table / "_delta_log").glob("*.json"))
        assert [path.name for path in table.glob("*.parquet") if path.name not in told] == []


# ----------------------------------------------------------------------------------------------------------------- killed
@on_linux
def test_killed_at_any_moment_again_and_again(folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    rng, lake = random.Random(5), tmp_path / "lake"
    for _ in range(3):
        run = Run(folder, lake)
        run.wait_until(lambda: under_way(lake))
        time.sleep(rng.random() * 0.8)
        run.process.send_signal(signal.SIGKILL)
        run.end()
        with ha.open_lake(lake) as opened:  # whatever can be seen is whole
            whole = {row["uri"] for row in opened.sql("SELECT uri FROM responses").rows()}
            number = {Path(uri).stem for uri in whole}
            assert counted(opened) == rows_of(*(job for n, job in enumerate(JOBS) if f"{n:02d}" in number))
    run = Run(folder, lake)
    output = run.end()
    assert run.process.returncode in (0, 3), output  # what cannot be read may have been told by a run before
    with ha.open_lake(lake) as opened:
        assert contents(opened) == expected
        assert counted(opened, suffix="_all") == rows_of(*JOBS)
        assert_nothing_left(opened)
        ha.rebuild(opened)
        assert contents(opened) == expected


@on_linux
def test_a_worker_that_is_killed_costs_nothing(folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run = Run(folder, lake)
    run.wait_until(lambda: under_way(lake) and run.others(only="popen_loky"))
    for worker in run.others(only="popen_loky")[:1]:
        time.sleep(0.2)
        os.kill(worker, signal.SIGKILL)
    output = run.end()
    assert run.process.returncode == 3, output
    with ha.open_lake(lake) as opened:
        assert contents(opened) == expected
        assert_nothing_left(opened)


@on_linux
def test_what_brings_its_worker_down_costs_one_file(tmp_path: Path) -> None:
    jobs = JOBS[:12]
    files = {f"{n:02d}.json": job.predictions for n, job in enumerate(jobs)} | {"poison.json": JOBS[20].predictions}
    written(tmp_path / "site", {"sitecustomize.py": POISON.encode()})
    python_path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = Run(written(tmp_path / "in", files), tmp_path / "lake", PYTHONPATH=python_path)
    output = run.end()
    assert run.process.returncode == 3, output
    with ha.open_lake(tmp_path / "lake") as lake:
        assert counted(lake) == rows_of(*jobs)
        [error] = lake.sql("SELECT uri, message FROM errors").rows()
        assert error["uri"] == str(tmp_path / "in" / "poison.json")
        assert "the process that read it died" in error["message"]
        assert_nothing_left(lake)
        assert ha.ingest(tmp_path / "in", lake).files == {"found": 13, "known": 12, "failed_before": 1}


@on_linux
def test_ctrl_c_reaches_no_worker_whenever_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the first: a worker that took much memory is started anew between two tasks."""
    masked: list[bool] = []
    start = loky.ProcessPoolExecutor._adjust_process_count

    def starting(self: Any) -> None:
        masked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        start(self)

    monkeypatch.setattr(loky.ProcessPoolExecutor, "_adjust_process_count", starting)
    with worker_pool(1) as make:
        executor: Any = make()
        executor._max_workers = 2  # as if one of two had ended
        assert executor.submit(os.getpid).result() != os.getpid()
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert masked == [True, True]


@on_linux
def test_ctrl_c_reaches_no_worker_of_a_process_that_has_just_begun() -> None:
    """In a process of its own: where others have run before, what they started hides it."""
    script = """
import os
from humeanalytics.jobs.processes import worker_pool
with worker_pool(2) as make:
    executor = make()
    pids = {executor.submit(os.getpid).result(), *executor._processes}
    for pid in pids:
        blocked = next(line for line in open(f"/proc/{pid}/status") if line.startswith("SigBlk"))
        assert int(blocked.split()[1], 16) & 2, "SIGINT is not blocked"
    print(len(pids))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "2\n", done.stderr


def test_only_what_kills_is_given_up() -> None:
    def double_or_die(number: int) -> int:  # as a part of the test it is sent as it is: no worker imports all of this module
        if number in (7, 13):
            os._exit(1)
        return 2 * number

    with worker_pool(2) as make:
        found = list(map_in_order(double_or_die, iter(range(20)), make, at_once=4))
    assert [number for number, _ in found] == list(range(20))
    assert {number for number, result in found if isinstance(result, WorkerDied)} == {7, 13}
    assert all(result == 2 * number for number, result in found if not isinstance(result, WorkerDied))


def test_an_executor_of_the_callers_that_breaks_ends_the_run_and_it_goes_on_with_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "_TASK_INPUTS", 2)
    written(tmp_path / "in", {f"{n}.json": job.predictions for n, job in enumerate(JOBS[:6])})
    with ha.open_lake(tmp_path / "lake") as lake:
        with ProcessPoolExecutor(1) as executor:
            with contextlib.suppress(Exception):
                executor.submit(os._exit, 1).result()
            with pytest.raises(Interrupted, match="executor that was given has broken"):
                ha.ingest(tmp_path / "in", lake, executor=executor)
        ha.ingest(tmp_path / "in", lake)
        assert counted(lake) == rows_of(*JOBS[:6])
        assert_nothing_left(lake)


# ---------------------------------------------------------------------------------------------------------- interrupted
@on_linux
def test_ctrl_c_ends_it_cleanly_and_it_goes_on(folder: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    run = Run(folder, lake)
    run.wait_until(lambda: under_way(lake) and run.others(only="popen_loky"))
    time.sleep(0.3)
    os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does: to all of them
    output = run.end()
    assert run.process.returncode == 75, output
    assert "Stopped. What was loaded is there" in output
    assert "Traceback" not in output
    run = Run(folder, lake)
    assert run.end() is not None
    with ha.open_lake(lake) as opened:
        assert contents(opened) == expected
        assert_nothing_left(opened)


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name", "nth"),
    [(Loads, "adopt", 2), (Loads, "commit", 3), (Loads, "complete", 2), (Ledger, "record_saved", 1), (ingesting, "settle", 1)],
)
def test_stopped_between_any_two_steps(owner: Any, name: str, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "_TASK_INPUTS", 2)
    monkeypatch.setattr(ingesting, "_LOAD_INPUTS", 4)
    folder = written(tmp_path / "in", {f"{n}.json": job.predictions for n, job in enumerate(JOBS[:6])})
    with ha.open_lake(tmp_path / "lake") as lake:
        step, calls = getattr(owner, name), iter(range(1, 100))

        def stops(*arguments: Any, **options: Any) -> Any:
            if next(calls) == nth:
                raise KeyboardInterrupt
            return step(*arguments, **options)

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, stops)
            with pytest.raises(Interrupted):
                ha.ingest(folder, lake, labels={"session": "1"})
        summary = ha.ingest(folder, lake, labels={"session": "1"})
        assert summary.exit_code == 0
        assert counted(lake) == counted(lake, suffix="_all") == counted(lake, suffix="_labelled") == rows_of(*JOBS[:6])
        assert lake.sql("SELECT DISTINCT session FROM items_labelled").rows() == [{"session": "1"}]
        for table in ("scorings", "responses", "items"):
            assert lake.sql(f"SELECT count(*) - count(DISTINCT {table[:-1]}_id) AS n FROM {table}").rows() == [{"n": 0}]
        assert_nothing_left(lake)


def test_two_at_once_are_told_so(folder: Path, tmp_path: Path) -> None:
    with ha.open_lake(tmp_path / "lake") as lake, flow_lock(lake.path / "locks", "ingest", lake_uri=lake.uri):
        with pytest.raises(LakeLocked, match=str(os.getpid())):
            ha.ingest(folder, lake)
        command = [sys.executable, "-m", "humeanalytics", "ingest", str(folder), "--lake", lake.uri]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert told.returncode == 75
        assert "Another run of 'ingest' works on" in told.stderr
        assert lake.sql("SELECT count(*) AS n FROM responses").rows() == [{"n": 0}]


# -------------------------------------------------------------------------------------------------------------- no room
def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class Full:
    """A file on a disk with no room."""

    def write(self, data: bytes) -> None:
        no_room()

    def close(self) -> None:
        no_room()


@pytest.mark.parametrize("place", ["rows", "raw", "raw at its end", "temporary", "commit"])
def test_a_full_disk_is_not_the_fault_of_what_was_read(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "in", {f"{n}.json": job.predictions for n, job in enumerate(JOBS[:3])})
    JOBS[3].extract(folder / "extracted")
    with ha.open_lake(tmp_path / "lake") as lake:
        with monkeypatch.context() as patched:
            if place == "rows":
                patched.setattr(pq.ParquetWriter, "write_table", no_room)
            elif place == "raw":
                begin = RawWriter.__init__

                def on_a_full_disk(writer: RawWriter, *arguments: Any) -> None:
                    begin(writer, *arguments)
                    writer._sink = Full()

                patched.setattr(RawWriter, "__init__", on_a_full_disk)
            elif place == "raw at its end":
                patched.setattr("humeanalytics.lake.raw.create_file", no_room)
            elif place == "temporary":
                patched.setattr(shutil, "copyfileobj", no_room)
            else:
                patched.setattr(DeltaTable, "create_write_transaction", no_room)
            with pytest.raises(DiskFull) as caught:
                ha.ingest(folder, lake)
            assert caught.value.exit_code == 75
        assert counted(lake) == {}
        summary = ha.ingest(folder, lake)
        assert (summary.exit_code, summary.files["loaded"]) == (0, 4)
        assert counted(lake, suffix="_all") == rows_of(*JOBS[:4])
        assert_nothing_left(lake)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for little."""
    (disk := tmp_path / "disk").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only the administrator makes disks")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount")
def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "_TASK_INPUTS", 3)
    monkeypatch.setattr(ingesting, "_LOAD_INPUTS", 9)
    folder = written(tmp_path / "in", {f"{n:02d}.json": job.predictions for n, job in enumerate(JOBS[:30])})
    with ha.open_lake(small_disk / "lake") as lake:
        (small_disk / "ballast").write_bytes(bytes(700_000))
        with pytest.raises(DiskFull):
            ha.ingest(folder, lake)
        (small_disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
        assert ha.ingest(folder, lake).exit_code == 0
        assert counted(lake, suffix="_all") == rows_of(*JOBS[:30])
        assert_nothing_left(lake)
