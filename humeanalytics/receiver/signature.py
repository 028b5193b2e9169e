"""The signature of EVI's webhooks: that a body is Hume's, whole, and sent just now."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable

from humeanalytics.errors import UsageError, WebhookRefused

TIMESTAMP_HEADER = "X-Hume-AI-Webhook-Timestamp"
SIGNATURE_HEADER = "X-Hume-AI-Webhook-Signature"

#: Signed longer ago than this, a webhook may be a recording of one: the bound of Hume's own receivers.
MAX_AGE_S = 180.0
#: So far the clock of the sender may be ahead of ours. Hume's receivers take any time to come; that would let a body that
#: was signed for later be kept until then.
MAX_AHEAD_S = 30.0
#: More digits than any time has that is not refused anyway.
_TIMESTAMP = re.compile(r"[0-9]{1,15}", re.ASCII)


def verify_webhook(
    body: bytes,
    timestamp: str | None,
    signature: str | None,
    keys: str | Iterable[str],
    *,
    now_s: float | None = None,
) -> None:
    """Return if a webhook of EVI was signed with one of ``keys``, just now; raise `WebhookRefused` if not.

    The signature is the lowercase hexadecimal HMAC-SHA256, by the key, of the body, a dot and the time. Signatures are
    compared in constant time, and with all keys, whichever fits.

    Args:
        body: The body as it came: bytes that were parsed and written again are others.
        timestamp: The header ``X-Hume-AI-Webhook-Timestamp``: Unix seconds. None where it is missing.
        signature: The header ``X-Hume-AI-Webhook-Signature``. None where it is missing.
        keys: The webhook signing key, or several: the old one too, for as long as one is replaced by another.
        now_s: Now, in Unix seconds; by default the clock's.

    Raises:
        WebhookRefused: A header is missing, the time is no number, more than 180 s ago or more than 30 s ahead, or the
            signature is of none of the keys. ``reason`` says which.
        UsageError: There is no key, or one is empty.

    Examples:
        >>> body = b'{"chat_id": "1f3a"}'
        >>> signed = signature_of(body, "1700000000", "new key")
        >>> verify_webhook(body, "1700000000", signed, ["old key", "new key"], now_s=1700000005.0)
    """
    keys = [keys] if isinstance(keys, str) else list(keys)
    if not keys or not all(keys):
        raise UsageError("A webhook is verified with one signing key or several, none of them empty.")
    if timestamp is None or signature is None:
        raise WebhookRefused("The webhook is not signed: a header is missing.", reason="not signed")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookRefused("The time at which the webhook was signed is no number of seconds.", reason="timestamp")
    age_s = (time.time() if now_s is None else now_s) - int(timestamp)
    if age_s > MAX_AGE_S:
        raise WebhookRefused(f"The webhook was signed {age_s:,.0f} s ago: it may be a replay.", reason="too old")
    if age_s < -MAX_AHEAD_S:
        raise WebhookRefused(f"The webhook says that it was signed {-age_s:,.0f} s from now.", reason="too early")
    given = signature.encode("utf-8", "surrogatepass")
    fits = [hmac.compare_digest(signature_of(body, timestamp, key).encode("ascii"), given) for key in keys]
    if not any(fits):
        raise WebhookRefused("The signature of the webhook is of none of the keys.", reason="signature")


def signature_of(body: bytes, timestamp: str, key: str) -> str:
    """Return the signature of a body that is sent at a time, in Unix seconds.

    >>> signature_of(b'{"a": 1}', "1700000000", "k")[:16]
    '229191a7823ab3e2'
    """
    signed = hmac.new(key.encode("utf-8", "surrogatepass"), body, hashlib.sha256)
    signed.update(b"." + timestamp.encode("ascii"))
    return signed.hexdigest()
