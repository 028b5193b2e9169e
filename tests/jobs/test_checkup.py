"""`doctor --online`: each service that is asked says for itself whether it takes the key."""

from __future__ import annotations

import pytest

from humeanalytics.jobs.checkup import check_up
from humeanalytics.sandbox.embedded import Sandbox


@pytest.mark.parametrize(("key", "state"), [("any", "good"), ("revoked", "bad")])
def test_both_services_are_asked(hume: Sandbox, monkeypatch: pytest.MonkeyPatch, key: str, state: str) -> None:
    monkeypatch.setenv("HUME_API_KEY", key)
    monkeypatch.setenv("HUME_BASE_URL", hume.url)
    monkeypatch.setenv("HUME_EXPRESSION_BASE_URL", hume.url)
    if key == "revoked":
        hume.set_faults([{"path": "/*", "status": 401}])
    states = {check.name: check.state for check in check_up(None, online=True)}
    assert (states["v1"], states["v0"]) == (state, state)


def test_v0_is_not_asked_for_at_hume_where_it_has_ended(hume: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUME_API_KEY", "any")
    monkeypatch.delenv("HUME_BASE_URL", raising=False)
    monkeypatch.setenv("HUME_EXPRESSION_BASE_URL", hume.url)
    names = [check.name for check in check_up(None, online=True)]
    assert "v1" in names and "v0" not in names


def test_a_service_that_is_not_there_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUME_API_KEY", "any")
    monkeypatch.setenv("HUME_EXPRESSION_BASE_URL", "http://127.0.0.1:9")
    [told] = [check for check in check_up(None, online=True) if check.name == "v1"]
    assert told.state == "bad" and "127.0.0.1" in told.text
