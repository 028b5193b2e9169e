"""The states of a job, and every move between them that is legal.

``planned → intent → accepted → received → loaded`` is the way of all that goes well. ``intent`` is written, durably, before
the first byte of a submission goes out; a submission whose answer was lost is ``unknown`` until the list of jobs at Hume
tells whether it was accepted.
"""

from __future__ import annotations

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
    PLANNED: frozenset({INTENT}),
    # Back to planned only where the service certainly took nothing: no connection, or refused for now (429, 503, 401, 403).
    INTENT: frozenset({ACCEPTED, UNKNOWN, REJECTED, PLANNED}),
    UNKNOWN: frozenset({ACCEPTED, PLANNED}),
    ACCEPTED: frozenset({RECEIVED, FAILED, GONE}),
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


def check_move(job_id: str, state: str, to: str) -> None:
    """Raise `IllegalMove` unless a job in ``state`` may move to ``to``.

    >>> check_move("j1", "planned", "intent")
    """
    if to not in LEGAL_MOVES[state]:
        raise IllegalMove(f"job {job_id} cannot move from {state} to {to}")
