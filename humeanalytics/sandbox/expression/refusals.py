"""Answers that are errors: their codes, the statuses that go with them, their bodies; and the gateway's, which have no code."""

from __future__ import annotations

from uuid import uuid4

from starlette.responses import Response

from humeanalytics.sandbox.replies import json_reply

PATH = "/v1/expression"
AUDIO_PATH = f"{PATH}/audio/file"
VIDEO_PATH = f"{PATH}/video/file"
RUNS_PATH = f"{PATH}/run"

STATUSES = {
    "message_invalid": 400,
    "config_invalid": 400,
    "audio_decode_failed": 400,
    "image_decode_failed": 400,
    "invalid_request": 400,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "audio_too_long": 413,
    "image_too_large": 413,
    "unsupported_media_type": 415,
    "internal_error": 500,
    "server_busy": 503,
}
#: What the gateway in front of the service says itself.
_GATEWAY = {401: "Unauthorized", 404: "no Route matched with those values", 429: "API rate limit exceeded"}


class Refused(Exception):
    """A request is answered with an error.

    Args:
        code: A key of `STATUSES`.
        message: What is wrong, for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def reply(self, request_id: str) -> Response:
        """Return the answer."""
        return error_reply(STATUSES[self.code], self.code, str(self), request_id)


def error_reply(status: int, code: str, message: str, request_id: str) -> Response:
    """Return an error as the service says it."""
    return json_reply({"type": "error", "code": code, "message": message, "request_id": request_id}, status)


def new_request_id() -> str:
    """Return an id for a request: 32 hexadecimal digits."""
    return uuid4().hex


def invalid_credential(had_key: bool) -> Response:
    """Return the gateway's 401; only where a key was rejected does it name the request."""
    body = {"message": "Invalid authentication credentials" if had_key else "No API key or access token found in request"}
    return json_reply({**body, "request_id": new_request_id()} if had_key else body, 401)


def gateway_error(status: int) -> Response:
    """Return an error of the gateway's, which never reached the service and has no code."""
    return json_reply({"message": _GATEWAY.get(status, f"status {status}")}, status)


def plain_error(status: int, path: str, code: str | None = None) -> Response:
    """Return an error of which only the status is settled, as it would look at this path.

    Args:
        status: The HTTP status.
        path: The path that was asked for.
        code: The service's code; None: the likeliest for status and path, or a body of the gateway's, which has none.
    """
    code = code or _likeliest_code(status, path)
    if code is None:
        return gateway_error(status)
    return error_reply(status, code, f"{code.replace('_', ' ')}", new_request_id())


def _likeliest_code(status: int, path: str) -> str | None:
    if status == 400:
        return "message_invalid" if path in (AUDIO_PATH, VIDEO_PATH) else "invalid_request"
    if status == 404:
        return "not_found" if path.startswith(f"{RUNS_PATH}/") else None
    if status == 413:
        return "image_too_large" if path == VIDEO_PATH else "audio_too_long"
    return next((code for code, given in STATUSES.items() if given == status), None)
