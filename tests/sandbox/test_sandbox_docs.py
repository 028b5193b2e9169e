"""The page about the sandbox tells of every option and every fault, and of none that is not there."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from humeanalytics.sandbox import faults
from humeanalytics.sandbox.faults import ANSWER_ACTIONS, JOB_ACTIONS, RUN_ACTIONS, Faults
from humeanalytics.sandbox.options import SandboxOptions

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_every_option() -> None:
    section = PAGE.partition("## Options")[2].partition("## Control")[0]
    named = {
        name.partition("=")[0]
        for row in re.findall(r"^\|(.+)\|$", section, re.M)
        for name in re.findall(r"`([a-z_0-9]+(?:=\w+)?)`", row)
    }
    options = {field.name for field in fields(SandboxOptions)}
    assert options <= named
    words_of_the_api = {"created_before", "created_after", "end_timestamp", "total_pages", "page_size", "event_count"}
    assert named - options <= words_of_the_api


def test_every_fault() -> None:
    section = PAGE.partition("## Faults")[2]
    actions = set(re.findall(r"^\| `([a-z_]+)(?:: true)?`", section, re.M))
    all_actions = {*ANSWER_ACTIONS, *JOB_ACTIONS, *RUN_ACTIONS}
    assert all_actions == actions - {"method", "path", "path_regex", "after", "times", "probability"}
    told = set(re.findall(r"^``([a-z_]+)``", faults.__doc__ or "", re.M))
    assert all_actions <= told


def test_the_example_is_valid() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    Faults(7).replace(json.loads(example))
