"""Pages: what a request asks for, what part of a list that is, and the refusals of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.sandbox.replies import json_reply

PREFIX = "/v0/evi"
_PHRASES = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
_LARGEST = 2**31 - 1


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def error_reply(status: int, message: str) -> Response:
    """Return an ErrorResponse; all its fields are optional, what they hold is a guess."""
    return json_reply({"error": _PHRASES.get(status, "Error"), "message": message}, status)


def spring_reply(status: int, message: str, path: str, now_s: float) -> Response:
    """Return an error as the framework behind the gateway tells it: the path lacks what the gateway strips."""
    at = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds")
    phrase = _PHRASES.get(status, "Error")
    stripped = path.removeprefix(PREFIX)
    return json_reply({"timestamp": at, "status": status, "error": phrase, "message": message, "path": stripped}, status)


def unknown_route(status: int, method: str, path: str, now_s: float) -> Response:
    """Return the answer for a path, or a method, that is not served."""
    stripped = path.removeprefix(PREFIX).lstrip("/")
    message = f"No static resource {stripped}." if status == 404 else f"Method '{method}' is not supported."
    return spring_reply(status, message, path, now_s)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page of a list is asked for; pages count from 0."""

    number: int
    size: int
    ascending: bool

    def part(self, count: int) -> tuple[int, int]:
        """Return where the page begins and ends in a list of ``count`` items, oldest first; beyond its end both are one."""
        before = min(self.number * self.size, count)
        after = min(before + self.size, count)
        return (before, after) if self.ascending else (count - after, count - before)

    def page(self, items: list[Any]) -> list[Any]:
        """Return the page of a list, oldest first, in the order asked for."""
        begin, end = self.part(len(items))
        return self.ordered(items[begin:end])

    def ordered(self, part: list[Any]) -> list[Any]:
        return part if self.ascending else part[::-1]

    def envelope(self, count: int, options: SandboxOptions) -> dict[str, Any]:
        """Return what every page tells of itself."""
        return {
            "page_number": self.number,
            "page_size": self.size,
            "total_pages": -(-count // self.size) if count else options.evi_empty_total_pages,
            "pagination_direction": "ASC" if self.ascending else "DESC",
            **({"cursor": None} if options.evi_new_fields else {}),
        }


def read_page_query(given: Mapping[str, str], options: SandboxOptions) -> PageQuery:
    """Read page_number, page_size and ascending_order.

    Raises:
        Refused: One of them cannot be.
    """
    number = integer(given.get("page_number", "0"), "page_number")
    size = integer(given.get("page_size", "10"), "page_size")
    if not 0 <= number <= _LARGEST:
        raise Refused(400, "page_number must not be negative")
    if not 1 <= size <= 100:
        if options.evi_page_size_status is not None:
            raise Refused(options.evi_page_size_status, "page_size must be between 1 and 100")
        size = min(max(size, 1), 100)
    ascending = boolean(given.get("ascending_order", str(not options.evi_newest_first)), "ascending_order")
    return PageQuery(number, size, ascending)


def integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(400, f"{name} must be an integer") from None


def boolean(text: str, name: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Refused(400, f"{name} must be true or false")
    return text.lower() == "true"


def uuid(text: str, name: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise Refused(400, f"{name} must be a UUID") from None
