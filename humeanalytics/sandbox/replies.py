"""The bodies of answers that are not a result. Which of the shapes goes with which case is known only in part."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

INVALID_KEY = {"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}}
JOB_NOT_FOUND = {"message": "job not found"}
DISCONTINUED = {"code": 403, "message": "The Expression Measurement API has been discontinued and is no longer available."}


def json_reply(body: Any, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def refusal(status: int, message: str) -> Response:
    """Return an error in the newer of Hume's shapes."""
    return json_reply({"code": status, "message": message}, status)
