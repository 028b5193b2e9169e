"""What is read of requests: bounded in bytes and time, and no more of it believed than has to be."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

#: What stands in the path of a request for it, so it is nothing but these characters.
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_EVENT_NAME = re.compile(r"[a-z_]{1,64}", re.ASCII)
#: What tells the kinds of webhooks apart where the name is missing, as it may be.
_SIGNS = {"chat_start_type": "chat_started", "end_reason": "chat_ended", "tool_call_message": "tool_call"}
#: Strings (the last may have been cut off) and brackets of JSON; what else there is tells nothing of where a key stands.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}:,]', re.DOTALL)
#: So much of a body that is too large is still taken in and thrown away, so that whoever sends it hears why it is refused.
_HEARD_OUT_BYTES = 8_000_000


class TooLarge(Exception):
    """A body is larger than it may be."""


class TooSlow(Exception):
    """A body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of EVI: by what it is known again, and its body as it came."""

    event_name: str
    chat_id: str
    tool_call_id: str
    body: bytes


async def read_whole(chunks: AsyncIterator[bytes], most_bytes: int, timeout_s: float) -> bytes:
    """Return a body, whatever its headers say of its length.

    Raises:
        TooLarge: It has more than ``most_bytes``.
        TooSlow: It took longer than ``timeout_s``.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in chunks:
                if len(body) + len(chunk) > most_bytes:
                    await _hear_out(chunks)
                    raise TooLarge
                body += chunk
    except TimeoutError:
        raise TooSlow from None
    return bytes(body)


async def _hear_out(chunks: AsyncIterator[bytes]) -> None:
    heard_bytes = 0
    async for chunk in chunks:
        heard_bytes += len(chunk)
        if heard_bytes > _HEARD_OUT_BYTES:
            return


async def read_head(chunks: AsyncIterator[bytes], most_bytes: int, timeout_s: float) -> bytes:
    """Return the first ``most_bytes`` of a body, or less where it is shorter.

    Raises:
        TooSlow: It took longer than ``timeout_s``.
    """
    head = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in chunks:
                head += chunk[: most_bytes - len(head)]
                if len(head) >= most_bytes:
                    break
    except TimeoutError:
        raise TooSlow from None
    return bytes(head)


async def let_pass(chunks: AsyncIterator[bytes], timeout_s: float) -> None:
    """Take in what is left of a body, for so long, and forget it: senders take an answer amid their sending for a failure."""
    try:
        async with asyncio.timeout(timeout_s):
            async for _ in chunks:
                pass
    except TimeoutError:
        pass


def webhook_of(body: bytes) -> Webhook | None:
    """Return what a webhook is about, or None where it is no JSON object.

    >>> webhook = webhook_of(b'{"chat_id": "1f3a", "end_reason": "USER_ENDED"}')
    >>> webhook.event_name, webhook.chat_id
    ('chat_ended', '1f3a')
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    call = told.get("tool_call_message")
    tool_call_id = call.get("tool_call_id") if isinstance(call, dict) else None
    name = told.get("event_name")
    if not isinstance(name, str) or not _EVENT_NAME.fullmatch(name):
        name = next((kind for sign, kind in _SIGNS.items() if sign in told), "")
    return Webhook(name, _id(told.get("chat_id")), tool_call_id if isinstance(tool_call_id, str) else "", body)


def job_id_in(head: bytes) -> str | None:
    """Return the job a callback is about: the member ``job_id`` of the outermost object, the rest of which is not believed.

    >>> job_id_in(b'{"predictions": [{"job_id": "no"}], "job_id": "1f3a", "status": "COMPL')
    '1f3a'
    """
    depth, key, last = 0, b"", b""
    for found in _TOKEN.finditer(head):
        token = found[0]
        if token in (b"{", b"["):
            depth, key = depth + 1, b""
            if depth == 1 and token == b"[":
                return None
        elif token in (b"}", b"]"):
            depth -= 1
            if depth <= 0:
                return None
        elif token == b":":
            key = last
        elif token == b",":
            key = b""
        elif depth == 1 and key == b'"job_id"':
            return _id(token[1:-1].decode("ascii", "replace")) or None if token.endswith(b'"') else None
        last = token
    return None


def _id(given: Any) -> str:
    return given if isinstance(given, str) and _ID.fullmatch(given) else ""
