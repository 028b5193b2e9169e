"""Who a face was before: ids within a request, and the state that carries them into the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Iterable

import msgspec

_REMEMBERED = 32


class _State(msgspec.Struct):
    """What a state holds; ``faces`` are those last seen last."""

    organization: str
    issued_ms: int
    next_id: int
    faces: list[tuple[str, int]]


class Tracker:
    """Give ids to faces as they are measured; a face keeps its id as long as it is among the last 32."""

    def __init__(self, next_id: int = 0, faces: Iterable[tuple[str, int]] = ()) -> None:
        self._next_id = next_id
        self._ids = dict(faces)

    def id_of(self, person: str) -> int:
        """Return the id of a face that is measured now."""
        face_id = self._ids.pop(person, self._next_id)
        self._next_id = max(self._next_id, face_id + 1)
        self._ids[person] = face_id
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]
        return face_id

    def state(self, organization: str, now_ms: int, seed: int) -> str:
        """Return the token that continues from here."""
        state = msgspec.msgpack.encode(_State(organization, now_ms, self._next_id, list(self._ids.items())))
        packed = zlib.compress(state)
        return base64.urlsafe_b64encode(_seal(packed, seed) + packed).decode()


def resume(token: str | None, organization: str, now_ms: int, good_for_ms: float, seed: int) -> Tracker:
    """Return a tracker that goes on from a token; from nothing if that is too old, altered, or another organization's.

    Args:
        token: The token, or None.
        organization: Who sends it.
        now_ms: The time, in Unix milliseconds.
        good_for_ms: How long after its issue a token counts.
        seed: The sandbox's seed; a token of another one counts as altered.
    """
    state = _open(token, seed) if token else None
    if state is None or state.organization != organization or now_ms - state.issued_ms > good_for_ms:
        return Tracker()
    return Tracker(state.next_id, state.faces)


def _open(token: str, seed: int) -> _State | None:
    try:
        sealed = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    packed = sealed[32:]
    as_issued = hmac.compare_digest(sealed[:32], _seal(packed, seed)) and base64.urlsafe_b64encode(sealed).decode() == token
    return msgspec.msgpack.decode(zlib.decompress(packed), type=_State) if as_issued else None


def _seal(packed: bytes, seed: int) -> bytes:
    return hmac.digest(hashlib.sha256(f"face state of sandbox {seed}".encode()).digest(), packed, "sha256")
