"""The states of an upload to v1, and every move between them that is legal.

``planned → intent → received → loaded`` is the way of all that goes well. ``intent`` is written, durably, before the first byte
goes out. An answer that was lost cannot be fetched: such an upload is ``unknown`` until somebody decides that it is sent again,
which makes it ``resent`` for good and is the work of another upload.
"""

from __future__ import annotations

from typing import Final

PLANNED: Final = "planned"
INTENT: Final = "intent"
RECEIVED: Final = "received"
LOADED: Final = "loaded"
UNKNOWN: Final = "unknown"
RESENT: Final = "resent"
FAILED: Final = "failed"
SPLIT: Final = "split"

#: State -> the states it may move to. A move that is not here is a bug and raises.
LEGAL_MOVES: Final[dict[str, frozenset[str]]] = {
    PLANNED: frozenset({INTENT}),
    # Back to planned only where the service certainly took nothing. Split: it was refused for one image of many.
    INTENT: frozenset({RECEIVED, UNKNOWN, FAILED, SPLIT, PLANNED}),
    # Received: the answer lay on the disk, and the process ended before it could say so.
    UNKNOWN: frozenset({RESENT, RECEIVED}),
    RECEIVED: frozenset({LOADED, FAILED}),
    LOADED: frozenset(),
    RESENT: frozenset(),
    FAILED: frozenset(),
    SPLIT: frozenset(),
}

#: What `--resend-unknown` may say.
RESEND: Final = ("never", "unbilled", "always")
