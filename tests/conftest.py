"""For all tests: how hypothesis searches, and an environment without anybody's keys."""

from __future__ import annotations

import os

import hypothesis
import pytest

from humeanalytics.jobs.processes import cores

# Machines are shared and slow down at times: what takes long is for the benchmarks to say, never for a property. A change is
# held against the same examples every time, so that what it broke is its own; `--hypothesis-profile=explore` looks for others.
hypothesis.settings.register_profile("humeanalytics", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("humeanalytics")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processor cores: many tests wait, for a moment to kill a process or for a service that is slow."""
    return cores() + 1


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, hosts and lakes that whoever runs the tests has set must not change what they do."""
    for name in list(os.environ):
        if name.startswith(("HUME_", "HUMEANALYTICS_")):
            monkeypatch.delenv(name)
