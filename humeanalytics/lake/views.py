"""The SQL of the catalog's views: files of this package, one a view, each beginning with a comment on what a row is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

from humeanalytics.lake.scans import identifier, literal

#: What tells one row of a score table from another, in the columns of ``scores_v0``; "null" where a model has none.
_PLACES = {
    "face": ("NULL", "face_id", "time_s", "time_s", "NULL"),
    "facemesh": ("NULL", "face_id", "NULL", "NULL", "NULL"),
    "burst": ("speaker_id", "NULL", "begin_s", "end_s", "NULL"),
}
_SPOKEN = ("speaker_id", "NULL", "begin_s", "end_s", "text")


@dataclass(frozen=True, slots=True)
class ViewText:
    """One SQL file: its leading comment, and the statement after it."""

    about: str
    sql: str

    def fill(self, **values: str) -> str:
        """Return the statement with its ``$placeholders`` filled."""
        return Template(self.sql).substitute(values)


@cache
def view_text(name: str) -> ViewText:
    """Return ``views/<name>.sql``."""
    text = resources.files("humeanalytics.lake").joinpath(f"views/{name}.sql").read_text(encoding="utf-8")
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if not line.startswith("--"))
    return ViewText(" ".join(line.removeprefix("--").strip() for line in lines[:first]), "\n".join(lines[first:]).strip())


def scores_v0(scores: Mapping[str, Sequence[str]], with_other: Iterable[str]) -> str:
    """Return the long form of every score table.

    Args:
        scores: Table -> its score columns.
        with_other: Tables that keep more scores in the map column ``other``.
    """
    parts = []
    for table, columns in scores.items():
        speaker_id, face_id, begin_s, end_s, text = _PLACES.get(table, _SPOKEN)
        place = {"speaker_id": speaker_id, "face_id": face_id, "begin_s": begin_s, "end_s": end_s, "text": text}
        listed = ", ".join(map(identifier, columns))
        parts.append(view_text("scores_v0").fill(table=table, columns=listed, **place))
        if table in with_other:
            parts.append(view_text("scores_v0_other").fill(table=table, **place))
    return "\nUNION ALL\n".join(parts)


def with_expressions(name: str, columns: Sequence[str], *, rescored: bool) -> str:
    """Return a view of chats that tells expressions: each as a column, and the three strongest by name.

    Args:
        name: The view.
        columns: The expressions.
        rescored: Whether any message of the assistant was scored more than once.
    """
    scores, names = f"[{', '.join(map(identifier, columns))}]", f"[{', '.join(map(literal, columns))}]"
    ranked = view_text("ranked")
    strongest = [f"if(top[{n}] IS NULL, NULL, {names}[place_{n}]) AS expression_{n}, top[{n}] AS score_{n}" for n in (1, 2, 3)]
    of_assistant = "if(e.type = 'AGENT_MESSAGE', p.{0}, NULL)"
    both = {column: f"coalesce({of_assistant.format(identifier(column))}, e.{identifier(column)})" for column in columns}
    latest = "arg_max({0}, ordinal) AS {0}" if rescored else "{0}"
    return view_text(name).fill(
        columns=", ".join(map(identifier, columns)),
        latest=", ".join(latest.format(identifier(column)) for column in columns),
        a_message="GROUP BY chat_id, related_event_id" if rescored else "",
        own=", ".join(f"e.{identifier(column)}" for column in columns),
        of_prosody=", ".join(f"p.{identifier(column)}" for column in columns),
        coalesced=", ".join(f"{value} AS {identifier(column)}" for column, value in both.items()),
        means=", ".join(
            f"CAST(avg({identifier(column)}) FILTER (speaker IS NOT NULL) AS FLOAT) AS {identifier(column)}" for column in columns
        ),
        strongest=", ".join(strongest),
        ranked_scored=ranked.fill(source="scored", scores=scores),
        ranked_answering=ranked.fill(source="answering", scores=scores),
    )


def tied(sql: str) -> str:
    """Return a view with the one id of each recording that stands for all those it is known by, so that tables join."""
    return view_text("tied").fill(view=sql)


def wide_labels(keys: Sequence[str]) -> str:
    """Return one row an item with a column a label: ``label_0``, ``label_1``, ... in the order of the keys."""
    columns = [f", max(value) FILTER (WHERE key = {literal(key)}) AS label_{i}" for i, key in enumerate(keys)]
    return f"SELECT item_id{''.join(columns)} FROM main.labels GROUP BY item_id"


def label_columns(keys: Sequence[str], taken: Iterable[str]) -> list[str]:
    """Return the column each label gets beside columns that are taken: its key, or ``label_`` and its key.

    >>> label_columns(["participant", "Text", "text"], ["recording_id", "text"])
    ['participant', 'label_Text', 'label_label_text']
    """
    used = {name.lower() for name in taken}
    columns = []
    for key in keys:
        name = key
        while not name or name.lower() in used:
            name = f"label_{name}"
        used.add(name.lower())
        columns.append(name)
    return columns


def labelled(
    table: str,
    columns: Sequence[str],
    keys: Sequence[str],
    view: str = "scores_labelled",
    *,
    more: Mapping[str, str] | None = None,
    instead: Mapping[str, Callable[[str], str]] | None = None,
    joins: str = "",
) -> str:
    """Return a table with its labels as columns; of any but items and conversations each row also says whose it is.

    Args:
        table: The table, or view.
        columns: Its columns.
        keys: The labels.
        view: The file of the statement.
        more: Columns to be had before those of labels, as SQL; they are named as labels are, and before these.
        instead: What stands for the label of a name, given its own SQL (NULL where there is no such label).
        joins: What those need.
    """
    more, instead = dict(more or {}), dict(instead or {})
    whose = {} if table in ("items", "conversations") else {name: name for name in ("item_id", "uri", "name")}
    whose = {name: f"item_{name}" if name in columns else name for name in whose}
    added = label_columns(list(more), [*columns, *whose.values()])
    named = label_columns(keys, [*columns, *whose.values(), *added])
    values = {name: f"l.label_{i}" for i, name in enumerate(named)}
    for name, of_label in instead.items():
        column = next((each for each in values if each.lower() == name), name)
        values[column] = of_label(values.get(column, "NULL"))
    labels = "".join(f", {value} AS {identifier(name)}" for name, value in values.items())
    if table == "conversations":
        joined = "".join(f", string_agg(DISTINCT i.label_{n}, ', ' ORDER BY i.label_{n}) AS label_{n}" for n in range(len(keys)))
        return view_text("conversations_labelled").fill(labels=labels, joined=joined)
    if table == "items":
        return view_text("items_labelled").fill(labels=labels)
    items = "".join(f", l.{name} AS {identifier(column)}" for name, column in whose.items())
    said = "".join(f", {value} AS {identifier(name)}" for name, value in zip(added, more.values(), strict=True))
    return view_text(view).fill(table=table, items=items, more=said, labels=labels, joins=joins)
