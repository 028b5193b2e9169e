"""Read what the session settings of a chat tell of whose it is and what it was given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from humeanalytics.tables.evi_chats import Event
from humeanalytics.tables.evi_values import blanked, members_of, object_of, text_of, without_secrets
from humeanalytics.tables.unknown import as_json

SESSION_SETTINGS = "SESSION_SETTINGS"


def session_of(events: Iterable[Event]) -> dict[str, Any]:
    """Return ``custom_session_id`` and ``variables_json`` of a chat: each update of the settings holds over those before.

    >>> session_of([Event("e", "c", SESSION_SETTINGS, message_text='{"custom_session_id": "s", "variables": {"age": "30"}}')])
    {'custom_session_id': 's', 'variables_json': '{"age":"30"}'}
    """
    told: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for event in events:
        if event.type != SESSION_SETTINGS:
            continue
        settings = members_of(object_of(event.message_text) or {})
        session_id = text_of(settings.get("custom_session_id"))
        if session_id is not None:
            told["custom_session_id"] = session_id
        variables |= object_of(settings.get("variables")) or {}
    if variables:
        told["variables_json"] = without_secrets(as_json(blanked(variables)))
    return told
