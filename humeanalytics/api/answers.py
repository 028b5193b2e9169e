"""What an answer of the service means when it is not the one hoped for: from status and body to one of our errors. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from humeanalytics.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidAnswer,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ServerFailed,
    ServiceDiscontinued,
    ServiceUnreachable,
)
from humeanalytics.redaction import redact_text

T = TypeVar("T")

_MESSAGE_CHARACTERS = 300
_DISCONTINUED = "has been discontinued"
#: Path of an API that Hume switched off -> its name and the day.
_SWITCHED_OFF = {
    "/v0/batch": ("the batch API of Expression Measurement v0", "2026-06-14"),
    "/v0/evi": ("the chat history of EVI", "2026-11-13"),
}
_EXPRESSION = "/v1/expression/"
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, as error messages name it: ``GET /v0/batch/jobs on api.hume.ai``.

    ``key`` is the API key, blanked wherever a text from outside repeats it.
    """

    method: str
    base_url: str
    host: str
    path: str
    key: str

    def __str__(self) -> str:
        return f"{self.method} {self.path} on {self.host}"

    def __repr__(self) -> str:
        return f"<Asked {self}>"

    @property
    def url(self) -> str:
        return self.base_url + self.path

    @property
    def is_v1(self) -> bool:
        """Whether it is of Expression Measurement v1, which has a key and a base URL of its own."""
        return self.path.startswith(_EXPRESSION)

    @property
    def key_variables(self) -> str:
        return "HUME_EXPRESSION_API_KEY, HUME_API_KEY" if self.is_v1 else "HUME_API_KEY or HUME_API_KEY_FILE"

    @property
    def url_variable(self) -> str:
        return "HUME_EXPRESSION_BASE_URL" if self.is_v1 else "HUME_BASE_URL"

    def clean(self, text: str) -> str:
        """Return a text from outside as one short line without secrets."""
        if len(self.key) >= 8:  # a shorter one is a toy, and might be a part of any word
            text = text.replace(self.key, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in redact_text(text)).split())
        return line if len(line) <= _MESSAGE_CHARACTERS else line[: _MESSAGE_CHARACTERS - 1] + "…"


class _OwnError(msgspec.Struct, tag="error"):
    code: str


class _Numbered(msgspec.Struct):
    request_id: str


def code_of(body: bytes) -> str | None:
    """Return the code of an error of v1's own, whatever its status. The gateway before it answers without one.

    >>> code_of(b'{"type":"error","code":"server_busy","message":"Later.","request_id":"5d0b"}')
    'server_busy'
    >>> code_of(b'{"message": "API rate limit exceeded"}')
    """
    own = _read(body, _OwnError)
    return own.code if own else None


def _read(body: bytes, type_: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def message_of(body: bytes) -> str:
    """Return what the body of an error says, in Hume's own words where it has any.

    >>> message_of(b'{"fault":{"faultstring":"Invalid ApiKey"}}'), message_of(b"<h1>502 Bad Gateway</h1>")
    ('Invalid ApiKey', "an HTML page titled '502 Bad Gateway'")
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if isinstance(answer, dict):
        fault = answer.get("fault")
        for message in (answer.get("message"), fault.get("faultstring") if isinstance(fault, dict) else None):
            if isinstance(message, str) and message.strip():
                return message
    text = body.decode("utf-8", "replace").strip()
    if re.match(
        r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(!doctype html|html|head|title|h1|body)\b", text, re.IGNORECASE | re.DOTALL
    ):
        title = _TITLE.search(text)
        words = " ".join(html.unescape(_TAG.sub(" ", title[2])).split()) if title else ""
        return f"an HTML page titled {words!r}" if words else "an HTML page"
    return text


def looks_like(body: bytes) -> str:
    """Say in a few words what the beginning of a body is.

    >>> looks_like(b""), looks_like(b"\\x89PNG\\r\\n\\x1a\\n"), looks_like(b"not yet")
    ('nothing', 'bytes that begin 89 50 4e 47 0d 0a 1a 0a', "'not yet'")
    """
    if not body:
        return "nothing"
    message = message_of(body)
    if message.startswith("an HTML page"):
        return message
    text = body[:64].decode("utf-8", "replace")
    strange = sum(
        character == "\N{REPLACEMENT CHARACTER}" or (character < " " and character not in "\t\n\r") for character in text
    )
    return f"bytes that begin {body[:16].hex(' ')}" if strange > len(text) // 8 else repr(message)


def refusal(asked: Asked, status: int, headers: Mapping[str, str], body: bytes, story: str = "") -> ApiError:
    """Return the error for an answer that is no success: what was asked, what came, what to do next."""
    message = asked.clean(message_of(body))
    code, numbered = code_of(body), _read(body, _Numbered)
    answered = f"{status} {asked.clean(code)}" if code else str(status)
    what = f"{asked} answered {answered}" + (f": {message.rstrip('.')}." if message else " without a message.")
    kind, advice = _kind_and_advice(asked, status, message, headers)
    text = " ".join(filter(None, (what, story, advice)))
    request_id = numbered.request_id if numbered else headers.get("x-request-id")
    return kind(text, status=status, url=asked.url, request_id=request_id, code=code)


def _kind_and_advice(asked: Asked, status: int, message: str, headers: Mapping[str, str]) -> tuple[type[ApiError], str]:
    if status == 401:
        return AuthenticationFailed, f"Check the key in {asked.key_variables}: it is missing, wrong or expired."
    if status == 403 and _DISCONTINUED in message:
        return ServiceDiscontinued, _what_still_works(asked.path)
    if status == 403 and asked.is_v1:
        return PermissionDenied, (
            "This key may not measure expressions: v1 is in limited release. Ask Hume for access, or set "
            "HUME_EXPRESSION_API_KEY to a key of an organization that has it."
        )
    if status == 403:
        return PermissionDenied, "This key may not do that: check its account, plan and permissions at Hume."
    if status == 404:
        whose = f"({asked.key_variables.replace(' or ', ', ')}, {asked.url_variable})"
        return NotFound, f"Check the id, and that the key belongs to the account that made it {whose}."
    if status == 429:
        return RateLimited, "Run the same command again later; a lower requests_per_s avoids it."
    if status >= 500 or status in (408, 425):
        return ServerFailed, "The trouble is on the service's side: run the same command again later."
    if 300 <= status < 400:
        where = asked.clean(headers.get("location", "")) or "nowhere"
        return RequestRejected, f"It points to {where}; the key is not sent there. Check {asked.url_variable}."
    return RequestRejected, "Sending it again is no use until the request, or the account, is changed."


def _what_still_works(path: str) -> str:
    name, day = next((off for prefix, off in _SWITCHED_OFF.items() if path.startswith(prefix)), ("this API", ""))
    return (
        f"Hume switched off {name}{f' on {day}' if day else ''}. What still works: `humeanalytics ingest` for results that were "
        "saved, --sandbox for the built-in emulator, and the live Expression Measurement v1 (--api expression)."
    )


def unreachable(asked: Asked, reason: str, story: str = "") -> ServiceUnreachable:
    """Return the error for a request that got no answer and did no harm."""
    text = f"{asked} got no answer: {asked.clean(reason)}."
    advice = f"Check the network and {asked.url_variable}, then run the same command again."
    return ServiceUnreachable(" ".join(filter(None, (text, story, advice))))


def invalid(asked: Asked, status: int, headers: Mapping[str, str], reason: str, story: str = "") -> InvalidAnswer:
    """Return the error for a success whose body cannot be used."""
    text = f"{asked} answered {status}, but {asked.clean(reason)}."
    doubt = f"if it stays so, {asked.host} is not the service it should be ({asked.url_variable})"
    advice = f"Run the same command again later; {doubt}."
    parts = (text, story, advice)
    request_id = headers.get("x-request-id")
    return InvalidAnswer(" ".join(filter(None, parts)), status=status, url=asked.url, request_id=request_id)


def unknown(asked: Asked, reason: str, status: int | None = None) -> OutcomeUnknown:
    """Return the error for a submission of which nobody can say whether it was accepted."""
    reason = asked.clean(reason)
    said = f"{asked}: the submission was under way and its answer was lost: {reason}."
    if asked.is_v1:
        then = (
            "It may have been measured and billed, and an answer that was lost cannot be fetched, so it is not sent again "
            "blindly: `humeanalytics reconcile` tells whether it was billed, and --resend-unknown says what then."
        )
    else:
        then = (
            "It may have been accepted, so it is not sent again blindly: the next run first looks for it among the jobs of the "
            "account, and so does `humeanalytics reconcile`."
        )
    return OutcomeUnknown(f"{said} {then}", status=status, reason=reason)


def decoded(asked: Asked, body: bytes, type_: type[T]) -> T:
    """Return a JSON body as ``type_``.

    Raises:
        ValueError: It is not JSON, or not of that type; the message says which, with the beginning of what came.
    """
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"its body is not what was promised ({error}); it holds {looks_like(body[:512])}"
        raise ValueError(asked.clean(reason)) from error
