"""What became of uploads whose answer was lost, by what the service's list of runs tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from humeanalytics.api.expression import Run
from humeanalytics.media.wav import HEADER_BYTES

Bill = Literal["yes", "no", "unknown"]

#: How far the clock of the service, as we know it, and the time a run is said to have started may lie apart.
CLOCK_MARGIN_MS = 2_000
#: Seconds of a bill that are no difference: how they are rounded is not known.
_ROUNDING_S = 0.05


@dataclass(frozen=True, slots=True)
class Lost:
    """An upload whose answer was lost.

    Attributes:
        sent_ms: When it was about to go out, by the service's clock.
        lost_ms: When it was known to be lost.
        billed_s: What it costs if it was measured.
    """

    upload_id: str
    endpoint: str
    size_bytes: int
    billed_s: float
    sent_ms: int
    lost_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a lost upload was billed (``unknown``: nobody can tell), and the run it was if only one can be."""

    billed: Bill
    run: Run | None = None


def judge(lost: Sequence[Lost], listed: Iterable[Run], claimed: set[str], *, settled_before_ms: int) -> dict[str, Verdict]:
    """Return what is to be said of each lost upload.

    A run can be ours if it is of the same endpoint, size and length, started while the upload was under way, and is not
    known as another upload's. Uploads that the same runs can be (two recordings of one length, sent at once) are judged
    together: as many runs as uploads, and all were billed; none, and none was; anything between cannot be told.

    Args:
        lost: The uploads.
        listed: The runs since the first of them.
        claimed: Runs whose upload is known.
        settled_before_ms: A run can take a moment to appear: what was lost later is not called free yet.

    Examples:
        >>> one = Lost("u", "audio", 32_044, 10.0, 0, 5_000)
        >>> [judge([one], [], set(), settled_before_ms=moment)["u"].billed for moment in (6_000, 4_000)]
        ['no', 'unknown']
    """
    free = [run for run in listed if run.run_id not in claimed]
    possible = {each.upload_id: {run.run_id for run in free if _can_be(run, each)} for each in lost}
    by_id = {run.run_id: run for run in free}
    verdicts: dict[str, Verdict] = {}
    for together in _together(lost, possible):
        runs = [by_id[run_id] for run_id in sorted(set().union(*(possible[each.upload_id] for each in together)))]
        for each in together:
            verdicts[each.upload_id] = _verdict(each, together, runs, settled_before_ms)
    return verdicts


def _verdict(each: Lost, together: Sequence[Lost], runs: Sequence[Run], settled_before_ms: int) -> Verdict:
    billed = [run for run in runs if run.metered_s]
    if not runs or all(run.failed for run in runs):
        return Verdict("no" if each.lost_ms < settled_before_ms else "unknown")
    if len(billed) >= len(together):
        return Verdict("yes", billed[0] if len(billed) == len(together) == 1 else None)
    return Verdict("unknown")


def _can_be(run: Run, lost: Lost) -> bool:
    if run.endpoint not in (lost.endpoint, ""):
        return False
    if run.started_at is not None:
        started_ms = (run.started_at - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000
        if not lost.sent_ms - CLOCK_MARGIN_MS <= started_ms <= lost.lost_ms + CLOCK_MARGIN_MS:
            return False
    headers = (0, HEADER_BYTES) if lost.endpoint == "audio" else (0,)
    if run.bytes_received is not None and lost.size_bytes - run.bytes_received not in headers:
        return False
    return not run.metered_s or abs(run.metered_s - lost.billed_s) <= _ROUNDING_S


def _together(lost: Sequence[Lost], possible: dict[str, set[str]]) -> list[list[Lost]]:
    """Divide uploads into those that no run connects."""
    groups: list[tuple[list[Lost], set[str]]] = []
    for each in lost:
        members, runs = [each], set(possible[each.upload_id])
        apart = []
        for group in groups:
            if group[1] & runs:
                members, runs = [*group[0], *members], runs | group[1]
            else:
                apart.append(group)
        groups = [*apart, (members, runs)]
    return [members for members, _ in groups]
