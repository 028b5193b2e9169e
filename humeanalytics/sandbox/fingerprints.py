"""What an accepted item is known by: the sha256 of its bytes, in hexadecimal."""

from __future__ import annotations

import hashlib


def of_text(text: str) -> str:
    """Return the fingerprint of a text or a URL: of its UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
