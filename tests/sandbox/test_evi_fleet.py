"""Who talks when, whatever the moment at which the sandbox opens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.sandbox.evi.catalogue import Catalogue
from humeanalytics.sandbox.evi.conversation import play
from humeanalytics.sandbox.evi.fleet import plan_fleet
from humeanalytics.sandbox.options import SandboxOptions

HALF_A_MINUTE_MS = 30_000


@given(opening_ms=st.integers(1_790_000_000_000, 1_800_000_000_000), running=st.integers(0, 4))
def test_chats_that_run_at_the_opening_are_met_running(opening_ms: int, running: int) -> None:
    options = SandboxOptions(evi_chats=3, evi_running=running, evi_events_per_chat=2)
    plans = plan_fleet(1, opening_ms, options, Catalogue(1))
    played = [play(plan, "You help.", options) for plan in plans]
    assert sum(one.plan.start_ms < opening_ms < one.end_ms - HALF_A_MINUTE_MS for one in played) == running
