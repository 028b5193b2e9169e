"""What a run did, in numbers a person and a program can read."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from humeanalytics.redaction import without_here
from humeanalytics.tables.schema import TABLES

#: How many errors a summary carries word for word; all of them are in the table ``errors``.
SHOWN_ERRORS = 20
_COUNTS = ("chats", "recordings", "jobs", "uploads", "rows", "files", "kinds", "sources", "answers")


def _error_line(uri: str, message: str) -> str:
    return message if not uri or uri in message else f"{uri}: {message}"


@dataclass
class RunSummary:
    """The outcome of one call of a verb.

    Attributes:
        verb: ``score``, ``ingest``, ...
        chats: Chats of EVI: ``found`` in the lists that were read, ``known``, ``new``, ``read_again``, ``gone``, ``failed``,
            ``audio`` fetched, ``audio_failed``; in saved files ``found``, ``new``, ``grown``, ``met_before``, ``with_errors``.
        recordings: Recordings by what became of them: ``found``, ``done``, ``known`` (scored before), ``failed``,
            ``failed_before``, ``unknown``, ``under_way``, ``refused`` (never sent).
        jobs: Jobs of this run by state.
        uploads: Requests of this run to v1 by state.
        billed_s: Seconds that v1 bills for this run, lost uploads among them.
        in_doubt_s: Of all runs, the seconds of uploads that were lost and sent again: those may have been billed twice.
        rows: New rows by table.
        files: Saved files by what became of them: ``found``, ``loaded``, ``known``, ``failed``, ``failed_before``,
            ``without_scores``; ``recordings`` that the lake knows, which are passed over.
        kinds: What saved answers were.
        sources: Scorings by the number of places they were met in.
        answers: Saved answers, each of one model for one file: ``found``, ``met_before`` (the same in another form or file),
            ``failed`` (Hume could not score it, and says why).
        errors: The first errors, each with ``uri`` and ``message``.
        notes: What the user should know: warnings and what to do next.
        cost_usd: Estimated price of what was sent in this run, where it is known.
        exit_code: What the command line returns.
    """

    verb: str
    lake: str
    run_id: str = ""
    chats: Counter[str] = field(default_factory=Counter)
    recordings: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    uploads: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    errors: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cost_usd: float | None = None
    billed_s: float = 0.0
    in_doubt_s: float = 0.0
    duration_s: float = 0.0
    synthetic: bool = False
    exit_code: int = 0

    def add_error(self, uri: str | None, message: str) -> None:
        """Show an error, if there is room for one more."""
        if len(self.errors) < SHOWN_ERRORS:
            self.errors.append({"uri": uri, "message": message})

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values, as ``--json`` prints it."""
        return asdict(self) | {name: dict(getattr(self, name)) for name in _COUNTS}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def lines(self) -> list[tuple[str, str]]:
        """Return the summary as (heading, text) lines."""
        lines = [("lake", self.lake + ("  (synthetic: made by the sandbox)" if self.synthetic else ""))]
        for heading, counts in (
            ("files", self.files),
            ("of these", self.kinds),
            ("answers", self.answers),
            ("chats", self.chats),
            ("recordings", self.recordings),
            ("jobs", self.jobs),
            ("uploads", self.uploads),
            ("new rows", {name: self.rows[name] for name in sorted(self.rows, key=_place)}),
        ):
            shown = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
            if shown:
                lines.append((heading, shown))
        if self.sources:
            met = (f"{count:,} answers in {places} place{'s' * (places != '1')}" for places, count in self.sources.items())
            lines.append(("places", ", ".join(met)))
        if self.billed_s:
            doubt = f", {self.in_doubt_s:,.1f} s of earlier uploads maybe twice" if self.in_doubt_s else ""
            lines.append(("billed", f"{self.billed_s:,.1f} s{doubt}"))
        if self.cost_usd:
            lines.append(("cost", f"about {self.cost_usd:,.2f} USD at the list prices in the settings"))
        lines.append(("time", f"{self.duration_s:,.1f} s"))
        lines += [("error", _error_line(error["uri"] or "", error["message"])) for error in self.errors]
        lines += [("note", note) for note in self.notes]
        return lines

    def __str__(self) -> str:
        return "\n".join(f"{heading + ':':<12}{text}" for heading, text in ((self.verb, self.outcome()), *self.lines()))

    def __repr__(self) -> str:
        return without_here(str(self))

    def outcome(self) -> str:
        """Return the outcome in a word or two."""
        return {
            0: "done",
            3: "done, but some items failed",
            4: "refused by the service",
            5: "stopped at a limit you set",
            75: "not finished: run the same command again",
        }.get(self.exit_code, f"ended with exit code {self.exit_code}")

    def _repr_html_(self) -> str:
        colour = {0: "#2a7f4f", 3: "#b35900"}.get(self.exit_code, "#a3262a")
        head = "text-align:left;vertical-align:top;white-space:nowrap;opacity:.6;padding:1px 16px 1px 0"
        rows = "".join(
            f"<tr><td style='{head}'>{html.escape(heading)}</td>"
            f"<td style='text-align:left;padding:1px 0'>{html.escape(without_here(text))}</td></tr>"
            for heading, text in self.lines()
        )
        return (
            f"<div style='font-family:system-ui,sans-serif;font-size:13px;border-left:3px solid {colour};padding:2px 12px'>"
            f"<b>{html.escape(self.verb)}</b> <span style='color:{colour}'>{html.escape(self.outcome())}</span>"
            f"<table style='border:none;margin-top:4px;font-size:13px'>{rows}</table></div>"
        )


def oddities(scores_rounded: int, names_doubled: int) -> list[str]:
    """Return notes on scores that a table cannot hold as they were."""
    notes = []
    if scores_rounded:
        notes.append(f"{scores_rounded:,} scores were no float32 values and were rounded; raw/ has them exactly.")
    if names_doubled:
        notes.append(f"{names_doubled:,} names came twice in a row of scores; the first was taken, raw/ has both.")
    return notes


def few(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _place(table: str) -> int:
    """Return where a table stands: counts are shown in one order, whatever was loaded first."""
    return list(TABLES).index(table) if table in TABLES else len(TABLES)
