"""What goes wrong with one run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from humeanalytics.sandbox.faults import Rule


@dataclass(frozen=True, slots=True)
class RunFaults:
    """Faults of one run; `humeanalytics.sandbox.faults` says what each does."""

    fail_run: bool = False
    hide_run: float = 0.0
    lose_run: bool = False
    new_fields: bool = False
    new_names: bool = False

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> RunFaults:
        """Collect what some rules do to a run; of several that hide it the longest counts."""
        found: dict[str, Any] = {}
        for rule in rules:
            found[rule.action] = max(rule.argument, found.get(rule.action, 0))
        return cls(**found)
