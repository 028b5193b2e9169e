"""The ledger: legal moves only, no recording claimed twice, nothing forgotten by closing it."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from humeanalytics.errors import LakeTooNew
from humeanalytics.jobs import states
from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
from humeanalytics.jobs.work import Problem, Recording, Source, Work

WANTED = {"api": "batch", "origin": "test", "settings_id": "s"}


def work(number: int, position: int = 0) -> Work:
    return Work(position, "file", f"{number:064x}", f"/r/{number}.wav", f"{number}.wav", md5=f"{number:032x}")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / LEDGER_FILE)


@pytest.mark.parametrize("state", states.LEGAL_MOVES)
@pytest.mark.parametrize("to", states.LEGAL_MOVES)
def test_only_legal_moves(state: str, to: str) -> None:
    if to in states.LEGAL_MOVES[state]:
        states.check_move("j", state, to)
    else:
        with pytest.raises(states.IllegalMove, match=f"from {state} to {to}"):
            states.check_move("j", state, to)


def test_a_sent_recording_cannot_be_planned_again(ledger: Ledger) -> None:
    run_id = ledger.start_run("score")
    job_id = ledger.plan_job([work(1), work(2, 1)], run_id=run_id, **WANTED)
    ledger.move(job_id, states.INTENT, run_id)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.plan_job([work(2)], run_id=run_id, **WANTED)
    assert ledger.counts() == {states.INTENT: 1}


def test_a_plan_never_sent_gives_way(ledger: Ledger) -> None:
    run_id = ledger.start_run("score")
    old = ledger.plan_job([work(1), work(2, 1)], run_id=run_id, **WANTED)
    ledger.plan_job([work(1), work(2, 1), work(3, 2)], run_id=run_id, **WANTED)
    assert ledger.counts() == {states.PLANNED: 1}
    assert ledger.works(old) == []


def test_sources_stand_as_they_are(ledger: Ledger) -> None:
    run_id = ledger.start_run("score")
    sources = [Source(f"/r/{number}.wav", "file", 10, 20, number) for number in range(6)]
    ledger.record_files([Recording(s, f"{number:064x}", s.uri[3:]) for number, s in enumerate(sources[:4])])
    ledger.record_files([Problem(sources[4], "UnreadableRecording", "empty")])
    done = ledger.plan_job([work(0)], run_id=run_id, **WANTED)
    for state in (states.INTENT, states.ACCEPTED, states.RECEIVED, states.LOADED):
        ledger.move(done, state, run_id)
    under_way = ledger.plan_job([work(1)], run_id=run_id, **WANTED)
    ledger.move(under_way, states.INTENT, run_id)
    refused = ledger.plan_job([work(2)], run_id=run_id, **WANTED)
    ledger.move(refused, states.INTENT, run_id)
    ledger.move(refused, states.REJECTED, run_id)

    standing = ledger.look_up(sources, **WANTED)
    assert (standing.done, standing.under_way, standing.failed_before) == (1, 1, 2)
    assert standing.new == ("/r/5.wav",)
    assert standing.to_plan == ("/r/3.wav",)
    # A file that changed is new, whatever was known of it; other settings are another matter.
    assert ledger.look_up([Source("/r/0.wav", "file", 11, 20, 0)], **WANTED).new == ("/r/0.wav",)
    assert ledger.look_up(sources[:1], **{**WANTED, "settings_id": "other"}).to_plan == ("/r/0.wav",)
    assert ledger.look_up(sources[:1], recheck=True, **WANTED).new == ("/r/0.wav",)

    ledger.look_up(sources, **WANTED)
    assert ledger.release(also_done=False, **WANTED) == 1
    assert ledger.forget_problems() == 1
    again = ledger.look_up(sources, **WANTED)
    assert set(again.to_plan) == {"/r/2.wav", "/r/3.wav"}
    assert set(again.new) == {"/r/4.wav", "/r/5.wav"}
    assert ledger.release(also_done=True, **WANTED) == 1  # never what may be under way


def test_an_archive_keeps_its_parts(ledger: Ledger) -> None:
    run_id = ledger.start_run("score")
    archive = Work(0, "file", "a" * 64, "/r/a.zip", "a.zip", "m", 5, "archive", None, {"x/1.jpg": "1" * 64})
    job_id = ledger.plan_job([archive], run_id=run_id, **WANTED)
    assert ledger.works(job_id) == [archive]


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    Ledger.open(tmp_path / LEDGER_FILE).close()
    with sqlite3.connect(tmp_path / LEDGER_FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LakeTooNew, match="format 99; this humeanalytics knows formats up to 3"):
        Ledger.open(tmp_path / LEDGER_FILE)


class LedgerMachine(RuleBasedStateMachine):
    """Any order of plans, moves, closings and releases: each recording is claimed by one job at the most."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / LEDGER_FILE
        self.ledger = Ledger.open(self.path)
        self.run_id = self.ledger.start_run("score")
        self.state: dict[str, str] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self._folder.cleanup()

    @rule(target=jobs, numbers=st.sets(st.integers(0, 8), min_size=1, max_size=4))
    def plan(self, numbers: set[int]) -> str:
        works = [work(number, position) for position, number in enumerate(sorted(numbers))]
        taken = self.ledger.claimed([each.recording_id for each in works], **WANTED)
        if taken:
            with pytest.raises(sqlite3.IntegrityError):
                self.ledger.plan_job(works, run_id=self.run_id, **WANTED)
            return ""
        job_id = self.ledger.plan_job(works, run_id=self.run_id, **WANTED)
        self.state[job_id] = states.PLANNED
        left = {job.job_id for job in self.ledger.jobs(states.PLANNED, api="batch")}
        self.state = {job: state for job, state in self.state.items() if state != states.PLANNED or job in left}
        return job_id

    @rule(job_id=jobs, to=st.sampled_from(sorted(states.LEGAL_MOVES)))
    def move(self, job_id: str, to: str) -> None:
        if job_id not in self.state:
            return
        if to in states.LEGAL_MOVES[self.state[job_id]]:
            self.ledger.move(job_id, to, self.run_id)
            self.state[job_id] = to
        else:
            with pytest.raises(states.IllegalMove):
                self.ledger.move(job_id, to, self.run_id)

    @rule(job_id=jobs)
    def release(self, job_id: str) -> None:
        if self.state.get(job_id) == states.REJECTED:
            self.ledger.release_job(job_id)

    @rule()
    def die(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.path)

    @invariant()
    def it_remembers(self) -> None:
        everything = self.ledger.jobs(*states.LEGAL_MOVES, api="batch")
        assert {job.job_id: job.state for job in everything} == self.state

    @invariant()
    def each_recording_is_claimed_once(self) -> None:
        with sqlite3.connect(self.path) as connection:
            twice = connection.execute("SELECT recording_id FROM work WHERE claims = 1 GROUP BY 1 HAVING count(*) > 1").fetchall()
        connection.close()
        assert twice == []


LedgerMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase
