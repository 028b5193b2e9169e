"""The states of a job, and every move between them that is legal.

``planned → intent → accepted → received → loaded`` is the way of all that goes well. ``intent`` is written, durably, before
the first byte of a submission goes out; a submission whose answer was lost is ``unknown`` until the list of jobs at Hume
tells whether it was accepted.

A job of v1 is the uploads of one recording (or of a few photos), each with a state of its own (``upload_states.py``): it is
``accepted`` with the first answer, ``received`` when none is missing, ``unknown`` while the answer to one is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLANNED: Final = "planned"
INTENT: Final = "intent"
UNKNOWN: Final = "unknown"
ACCEPTED: Final = "accepted"
RECEIVED: Final = "received"
LOADED: Final = "loaded"
REJECTED: Final = "rejected"
FAILED: Final = "failed"
GONE: Final = "gone"

#: State -> the states it may move to. A move that is not here is a bug and raises.
LEGAL_MOVES: Final[dict[str, frozenset[str]]] = {
    # Failed: a recording that cannot be brought to the form that v1 takes.
    PLANNED: frozenset({INTENT, FAILED}),
    # Back to planned only where the service certainly took nothing: no connection, or refused for now (429, 503, 401, 403).
    INTENT: frozenset({ACCEPTED, UNKNOWN, REJECTED, PLANNED}),
    UNKNOWN: frozenset({ACCEPTED, PLANNED}),
    # Unknown: v1 measures a recording in several uploads, and the answer to one of them was lost.
    ACCEPTED: frozenset({RECEIVED, FAILED, GONE, UNKNOWN}),
    # An answer that arrived whole but cannot be read is a failure of the job; its bytes stay under raw/.
    RECEIVED: frozenset({LOADED, FAILED}),
    LOADED: frozenset(),
    REJECTED: frozenset(),
    FAILED: frozenset(),
    GONE: frozenset(),
}

#: States in which Hume may hold a job of ours that we have no results of.
OPEN: Final = (INTENT, UNKNOWN, ACCEPTED, RECEIVED)
#: Ends that did not give results. The same recordings are not sent again unless asked for.
ENDED_BADLY: Final = (REJECTED, FAILED, GONE)


class IllegalMove(RuntimeError):
    """A bug in a flow: the ledger was asked for a move that `LEGAL_MOVES` does not have."""


def check_move(job_id: str, state: str, to: str, moves: Mapping[str, frozenset[str]] = LEGAL_MOVES) -> None:
    """Raise `IllegalMove` unless a job (or whatever else has such a table) in ``state`` may move to ``to``.

    >>> check_move("j1", "planned", "intent")
    """
    if to not in moves[state]:
        raise IllegalMove(f"{job_id} cannot move from {state} to {to}")
