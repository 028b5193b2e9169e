"""How a lake stands: its jobs by state, what failed, what is unknown; and the story of one recording or job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from humeanalytics.errors import UsageError
from humeanalytics.jobs import states
from humeanalytics.jobs.flow import state_folder
from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import load_settings


@dataclass
class LakeStanding:
    """The state of a lake in numbers."""

    lake: str
    synthetic: bool | None
    recordings: int = 0
    scored: int = 0
    jobs: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    loads: int = 0
    pending_loads: int = 0
    last_run: dict[str, Any] | None = None
    advice: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """Return the standing as (heading, text) lines."""
        kind = {True: "synthetic: made by the sandbox", False: "real results", None: "nothing scored yet"}[self.synthetic]
        lines = [
            ("lake", f"{self.lake}  ({kind})"),
            ("recordings", f"{self.recordings:,} known, {self.scored:,} scored"),
            ("jobs", ", ".join(f"{count:,} {state}" for state, count in self.jobs.items()) or "none"),
            ("loads", f"{self.loads:,} complete" + (f", {self.pending_loads:,} unfinished" if self.pending_loads else "")),
            ("errors", f"{self.errors:,}"),
        ]
        if self.last_run:
            run = self.last_run
            lines.append(
                ("last run", f"{run['verb']} at {run['started_at']:%Y-%m-%d %H:%M:%S} UTC, exit code {run['exit_code']}")
            )
        return lines + [("next", each) for each in self.advice]


def standing_of(lake: Lake) -> LakeStanding:
    """Return how a lake stands."""
    counts = lake.sql(
        "SELECT (SELECT count(*) FROM recordings) AS recordings, (SELECT count(DISTINCT recording_id) FROM scorings) AS scored, "
        "(SELECT count(*) FROM errors) AS errors, (SELECT count(*) FROM loads) AS loads"
    ).rows()[0]
    last = lake.sql("SELECT verb, started_at, exit_code FROM runs ORDER BY started_at DESC LIMIT 1").rows()
    standing = LakeStanding(lake.uri, lake.identity.synthetic, **counts, last_run=last[0] if last else None)
    standing.pending_loads = len(lake.loads.pending())
    path = state_folder(lake, load_settings()) / LEDGER_FILE
    if path.is_file():
        with Ledger.open(path) as ledger:
            found = ledger.counts()
        order = (states.PLANNED, *states.OPEN, states.LOADED, *states.ENDED_BADLY)
        standing.jobs = {state: found[state] for state in order if state in found}
    if any(standing.jobs.get(state) for state in (states.INTENT, states.UNKNOWN)):
        standing.advice.append("humeanalytics reconcile looks for the submissions whose answer was lost")
    if standing.jobs.get(states.ACCEPTED) or standing.jobs.get(states.RECEIVED) or standing.pending_loads:
        standing.advice.append("the same command as last time goes on where it stopped")
    if standing.errors:
        verb = standing.last_run["verb"] if standing.last_run else "score"
        again = f"; {verb} --retry-failed tries it again" if verb in ("score", "ingest") else ""
        standing.advice.append(f"humeanalytics errors lists what failed{again}")
    return standing


def story_of(lake: Lake, what: str) -> list[dict[str, Any]]:
    """Return what is known of a recording or job, in order of time: rows of ``at`` and ``what``.

    Raises:
        UsageError: Nothing in this lake is called that.
    """
    items = lake.sql(
        "SELECT recording_id, uri, recorded_at, seen_at FROM items "
        "WHERE $what IN (uri, name, recording_id, item_id) OR ends_with(uri, '/' || $what)",
        {"what": what},
    ).rows()
    recording_ids = {row["recording_id"] for row in items} or {what}
    story = [{"at": _iso(row["seen_at"]), "what": f"found at {row['uri']}"} for row in items]
    path = state_folder(lake, load_settings()) / LEDGER_FILE
    if path.is_file():
        with Ledger.open(path) as ledger:
            for job in ledger.jobs_of(recording_ids, what):
                label = f"job {job.job_id}" + (
                    f" ({job.hume_job_id} at {job.origin})" if job.hume_job_id else f" (for {job.origin})"
                )
                for at, state, why in ledger.history(job.job_id):
                    story.append({"at": at, "what": f"{label}: {state}" + (f", {why}" if why else "")})
    scorings = lake.sql(
        "SELECT loaded_at, model, rows, dialect, newest FROM scorings "
        "WHERE list_contains($ids, recording_id) OR hume_job_id = $what",
        {"ids": sorted(recording_ids), "what": what},
    ).rows()
    story += [
        {
            "at": _iso(row["loaded_at"]),
            "what": f"{row['model']}: {row['rows']:,} rows" + ("" if row["newest"] else ", of which newer ones hold"),
        }
        for row in scorings
    ]
    errors = lake.sql(
        "SELECT happened_at, stage, message FROM errors WHERE list_contains($ids, recording_id) OR hume_job_id = $what "
        "OR uri = $what OR ends_with(uri, '/' || $what)",
        {"ids": sorted(recording_ids), "what": what},
    ).rows()
    story += [{"at": _iso(row["happened_at"]), "what": f"error ({row['stage']}): {row['message']}"} for row in errors]
    if not story:
        raise UsageError(f"Nothing in {lake.uri} is called {what!r}. Names and paths of items are in the table items.")
    return sorted(story, key=lambda line: line["at"] or "")


def _iso(when: Any) -> str | None:
    return None if when is None else str(when.isoformat(timespec="milliseconds"))
