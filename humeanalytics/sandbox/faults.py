"""Faults on order: rules that say which requests go wrong, how, and how often.

A rule is an object with one action and some conditions. ``POST /sandbox/faults`` takes a list of them and replaces the
rules there were; so do ``Sandbox.set_faults`` and the file of ``--faults``.

Conditions (all optional):

==================  ====================================================================================================
``method``          ``GET``, ``POST``, ...
``path``            glob over the path, ``*`` matches slashes too: ``/v0/batch/jobs/*/predictions``
``path_regex``      regular expression over the whole path, instead of ``path``
``after``           let the first n matching requests pass
``times``           strike at most n times
``probability``     strike with this probability, drawn from the rule's own generator ...
``seed``            ... which starts here (without: from the sandbox's seed and the rule's place)
==================  ====================================================================================================

Actions on the answer. The first rule that strikes is the one that counts for a request:

==================  ====================================================================================================
``status``          answer with this status, the work is not done. Beside it: ``body`` (object, list or string),
                    ``html`` (true: an HTML page as body), ``code`` (of the v1 API; without, the one that goes with the
                    status), ``retry_after`` (seconds, or ``{"date_in_s": n}`` for an HTTP date, ``{"ms": n}`` for
                    ``retry-after-ms``, or a string sent as it is)
``discontinued``    true: the 403 of the shutdown
``drop_before``     true: the connection is closed at once, before the work is recorded; ``received``: closed when the whole
                    request has arrived, but nothing is recorded either
``drop_after``      true: the work is recorded, then the connection is closed without an answer
``slow``            bytes per second at which the body of the answer drips
``truncate``        the body ends after this share of it (0 to 1) though its length promised more
``wrong_body``      the work is recorded; the answer is a 200 whose body is this string (true: some garbage)
==================  ====================================================================================================

Actions on the job that a ``POST /v0/batch/jobs`` starts, or on the run of a v1 upload. All rules that strike count:

==================  ====================================================================================================
``stuck``           ``QUEUED`` or ``IN_PROGRESS``: the job never gets further
``fail_job``        the job ends FAILED with this message (true: the message of an exceeded usage limit)
``file_error``      the message that files get instead of predictions; ``file``: a glob over their names (without: all)
``fail_run``        true: measuring fails; the run is errored and costs nothing, the answer is a 500 ``internal_error``
``hide_run``        the run is told of only this many seconds after it has ended
``lose_run``        true: the run is never told of, though it was measured and answered
``new_fields``      true: job, predictions and v1 answers have fields nobody has heard of
``new_names``       true: answers have expressions, a model, a file type and a trigger nobody has heard of, and the job or run
                    a state of that kind
==================  ====================================================================================================
"""

from __future__ import annotations

import fnmatch
import random
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from humeanalytics.sandbox.expression.refusals import AUDIO_PATH, STATUSES, VIDEO_PATH

ANSWER_ACTIONS = ("status", "discontinued", "drop_before", "drop_after", "slow", "truncate", "wrong_body")
JOB_ACTIONS = ("stuck", "fail_job", "file_error", "new_fields", "new_names")
RUN_ACTIONS = ("fail_run", "hide_run", "lose_run", "new_fields", "new_names")
_WORK_ACTIONS = tuple(dict.fromkeys((*JOB_ACTIONS, *RUN_ACTIONS)))
#: With these no work is begun, so that no rule about jobs or runs strikes.
_NO_WORK = ("status", "discontinued", "drop_before")
_CONDITIONS = ("method", "path", "path_regex", "after", "times", "probability", "seed")
_BESIDE = {"status": ("body", "html", "code", "retry_after"), "file_error": ("file",)}
JOBS_PATH = "/v0/batch/jobs"
#: Path of a POST -> the actions there are on the work it begins.
_ACTIONS_AT = {JOBS_PATH: JOB_ACTIONS, AUDIO_PATH: RUN_ACTIONS, VIDEO_PATH: RUN_ACTIONS}


class InvalidRule(ValueError):
    """A rule says nothing, or something that cannot be."""


@dataclass
class Rule:
    """One rule, with what it has met so far: ``seen`` requests matched, ``hits`` were struck."""

    spec: dict[str, Any]
    action: str
    method: str | None
    path: re.Pattern[str]
    draw: random.Random
    seen: int = field(default=0)
    hits: int = field(default=0)

    @property
    def argument(self) -> Any:
        return self.spec[self.action]

    def strikes(self, method: str, path: str) -> bool:
        """Tell whether this request is struck, and count it."""
        if (self.method and self.method != method) or not self.path.fullmatch(path):
            return False
        self.seen += 1
        if self.seen <= self.spec.get("after", 0) or self.hits >= self.spec.get("times", float("inf")):
            return False
        if self.draw.random() >= self.spec.get("probability", 1.0):
            return False
        self.hits += 1
        return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_retry_after(value: Any) -> bool:
    if isinstance(value, dict):
        return len(value) == 1 and set(value) <= {"date_in_s", "ms"} and all(map(_is_number, value.values()))
    return isinstance(value, str) or _is_number(value)


def _is_true(value: Any) -> bool:
    return value is True


def _is_message(value: Any) -> bool:
    return value is True or isinstance(value, str)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "method": (lambda v: isinstance(v, str) and v.isalpha(), "an HTTP method"),
    "path": (lambda v: isinstance(v, str), "a glob"),
    "path_regex": (lambda v: isinstance(v, str), "a regular expression"),
    "after": (_is_count, "a count"),
    "times": (_is_count, "a count"),
    "probability": (lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "seed": (lambda v: isinstance(v, int), "an integer"),
    "status": (lambda v: _is_count(v) and 200 <= v <= 599, "an HTTP status from 200 to 599"),
    "body": (lambda v: isinstance(v, str | dict | list), "an object, a list or a string"),
    "html": (_is_true, "true"),
    "code": (lambda v: v in STATUSES, "a code of the v1 API"),
    "retry_after": (_is_retry_after, 'seconds, {"date_in_s": n}, {"ms": n} or a string'),
    "discontinued": (_is_true, "true"),
    "drop_before": (lambda v: v is True or v == "received", 'true or "received"'),
    "drop_after": (_is_true, "true"),
    "slow": (lambda v: _is_number(v) and v > 0, "a number of bytes per second"),
    "truncate": (lambda v: _is_number(v) and 0 <= v < 1, "a share from 0 up to 1"),
    "wrong_body": (_is_message, "a string or true"),
    "stuck": (lambda v: v in ("QUEUED", "IN_PROGRESS"), "QUEUED or IN_PROGRESS"),
    "fail_job": (_is_message, "a message or true"),
    "file_error": (lambda v: isinstance(v, str), "a message"),
    "file": (lambda v: isinstance(v, str), "a glob"),
    "fail_run": (_is_true, "true"),
    "hide_run": (lambda v: _is_number(v) and v >= 0, "a number of seconds"),
    "lose_run": (_is_true, "true"),
    "new_fields": (_is_true, "true"),
    "new_names": (_is_true, "true"),
}


def read_rule(spec: Any, default_seed: int) -> Rule:
    """Turn an object into a rule.

    Raises:
        InvalidRule: It has no action or several, an unknown key, or a value that does not fit.
    """
    if not isinstance(spec, dict):
        raise InvalidRule(f"a rule must be an object, not {type(spec).__name__}")
    actions = [name for name in (*ANSWER_ACTIONS, *_WORK_ACTIONS) if name in spec]
    if len(actions) != 1:
        raise InvalidRule(
            f"a rule needs exactly one action of {', '.join((*ANSWER_ACTIONS, *_WORK_ACTIONS))}; "
            f"this one has {', '.join(actions) or 'none'}"
        )
    action = actions[0]
    for name, value in spec.items():
        if name not in (action, *_CONDITIONS, *_BESIDE.get(action, ())):
            raise InvalidRule(f"{name!r} does not go with {action!r}")
        fits, wanted = _RULES[name]
        if not fits(value):
            raise InvalidRule(f"{name!r} must be {wanted}")
    if action in _WORK_ACTIONS and spec.get("method", "POST").upper() != "POST":
        work = "job" if action in JOB_ACTIONS else "run"
        raise InvalidRule(f"{action!r} acts on the {work} that a POST starts; leave out 'method'")
    if "path" in spec and "path_regex" in spec:
        raise InvalidRule("'path' and 'path_regex' exclude each other")
    try:
        path = re.compile(spec.get("path_regex", fnmatch.translate(spec.get("path", "*"))))
    except re.error as error:
        raise InvalidRule(f"'path_regex' is not a regular expression: {error}") from None
    method = "POST" if action in _WORK_ACTIONS else spec.get("method")
    return Rule(spec, action, method and method.upper(), path, random.Random(spec.get("seed", default_seed)))


class Faults:
    """The rules in force."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def replace(self, specs: Any) -> None:
        """Put a list of rules in force instead of those there are; counts start again.

        Raises:
            InvalidRule: One of them is wrong; the rules stay as they were. The message names its place.
        """
        if not isinstance(specs, list):
            raise InvalidRule(f"rules must be a list, not {type(specs).__name__}")
        rules = []
        for number, spec in enumerate(specs):
            try:
                rules.append(read_rule(spec, default_seed=1000 * self._seed + number))
            except InvalidRule as error:
                raise InvalidRule(f"rule {number}: {error}") from None
        with self._lock:
            self._rules = rules

    def strike(self, method: str, path: str) -> tuple[Rule | None, list[Rule]]:
        """Return the rule that spoils the answer to this request, if any, and those that act on the work it starts."""
        with self._lock:
            on_answer = (rule for rule in self._rules if rule.action in ANSWER_ACTIONS)
            spoiled = next((rule for rule in on_answer if rule.strikes(method, path)), None)
            if spoiled is not None and spoiled.action in _NO_WORK:
                return spoiled, []
            actions = _ACTIONS_AT.get(path, ())
            return spoiled, [rule for rule in self._rules if rule.action in actions and rule.strikes(method, path)]

    def report(self) -> list[dict[str, Any]]:
        """Return the rules with ``seen`` and ``hits``."""
        with self._lock:
            return [{**rule.spec, "seen": rule.seen, "hits": rule.hits} for rule in self._rules]


@dataclass(frozen=True, slots=True)
class JobFaults:
    """What goes wrong with one job; kept with it, so that a restart does not heal it."""

    stuck: str | None = None
    fail_job: str | None = None
    file_errors: tuple[tuple[str, str], ...] = ()
    new_fields: bool = False
    new_names: bool = False

    @classmethod
    def of(cls, rules: Iterable[Rule], usage_limit: str) -> JobFaults:
        """Collect what some rules do to a job; ``usage_limit`` is the message of ``fail_job: true``."""
        by_action: dict[str, list[Rule]] = {}
        for rule in rules:
            by_action.setdefault(rule.action, []).append(rule)
        fails = [usage_limit if rule.argument is True else rule.argument for rule in by_action.get("fail_job", ())]
        return cls(
            stuck=next((rule.argument for rule in by_action.get("stuck", ())), None),
            fail_job=next(iter(fails), None),
            file_errors=tuple((rule.spec.get("file", "*"), rule.argument) for rule in by_action.get("file_error", ())),
            new_fields="new_fields" in by_action,
            new_names="new_names" in by_action,
        )

    def error_of(self, file: str) -> str | None:
        """Return the message a file gets instead of predictions, if any."""
        return next((message for glob, message in self.file_errors if fnmatch.fnmatchcase(file, glob)), None)
