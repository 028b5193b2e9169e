"""Recognise what Hume's v0 streaming API said, in whatever people wrote its answers to.

An answer, or *message*, has a member a model: rows that stand in no groups, or a warning::

    {"face": {"predictions": [{"bbox": {...}, "face_id": "unknown", "emotions": [...]}]},
     "burst": {"warning": "No vocal bursts detected.", "code": "W0101"}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from humeanalytics.tables.fields import LISTS
from humeanalytics.tables.json_stream import JsonStream
from humeanalytics.tables.json_text import Undecoded, text_of
from humeanalytics.tables.nodes import Node, elements_of, held, kind_of, members_of

# More than any row takes before its first score.
_HEAD_BYTES = 1 << 20
# The first of these keys in an object tells whether it may be one of a message, or holds predictions of batch jobs.
_TELLING = re.compile(rb'"(?:(emotions|warning|error)|source|results|models|file|grouped_?[pP]redictions)"[ \t\r\n]*:')
_EMPTY = re.compile(rb'\{[ \t\r\n]*"predictions"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*\]')
_CODE = re.compile(r"[EIW]\d{4}")


@dataclass(frozen=True, slots=True)
class Said:
    """What one model said in a message: ``words`` are its warning or error; ``rows`` is all of it, if there are rows in it."""

    words: str | None
    rows: Undecoded | None


def may_be_said(node: Node) -> bool:
    """Tell whether a value could be what one model said in a message; of a stream its beginning only is looked at."""
    if not isinstance(node, JsonStream):
        return kind_of(node) == "an object"
    head = node.head(_HEAD_BYTES)
    telling = _TELLING.search(head)
    return head.startswith(b"{") and bool(telling[1] if telling else _EMPTY.match(head))


def said_in(value: Undecoded, item: str, place: str) -> Said | None:
    """Return an object as what one model said in a message, or None if it is something else.

    Raises:
        UnreadableResponse: It is no JSON.
    """
    members = {key: held(node) for key, node in members_of(value, item, place)}
    words = words_of({key: text_of(members.get(key), item, f"{place}.{key}") for key in ("warning", "error", "code")})
    rows = members.get("predictions")
    has_rows = rows is not None and kind_of(rows) == "a list" and _are_rows(rows, members, item, f"{place}.predictions")
    return Said(words, value if has_rows else None) if has_rows or words is not None else None


def _are_rows(rows: Undecoded, beside: Mapping[str, Undecoded], item: str, place: str) -> bool:
    """Tell by its first element whether a list holds rows: by what stands beside it, if it is empty."""
    for i, row in elements_of(rows, item, place):
        if kind_of(row) != "an object":
            return False
        fields = dict(members_of(row, item, f"{place}[{i}]"))
        lists = [kind_of(fields[key]) for key in LISTS if key in fields]
        return "bbox" in fields or (bool(lists) and not {"an object", "a text"} & {*lists})
    return beside.keys() <= {"predictions", "time"}


def words_of(texts: Mapping[str, str | None]) -> str | None:
    """Return the warning or error that an object is, with Hume's code for it; None if it is neither.

    >>> words_of({"warning": "No faces detected.", "code": "W0103"}), words_of({"warning": "No.", "code": None})
    ('No faces detected. (W0103)', None)
    """
    words, code = texts.get("warning") or texts.get("error"), texts.get("code")
    return f"{words} ({code})" if words and code and _CODE.fullmatch(code) else None
