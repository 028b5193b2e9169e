"""Write the data dictionary from the declared tables: ``python -m humeanalytics.tables.dictionary --write``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.tables.schema import KEYS, TABLES, Table
from humeanalytics.tables.unknown import LIMIT

DEFAULT_PATH = Path("docs/data-dictionary.md")

_HEAD = """\
# Data dictionary

Every table, what a row of it is, and every column. Written by `python -m humeanalytics.tables.dictionary --write` from
`humeanalytics/tables/schema.py` and the lists of names in `humeanalytics/vocabulary/`; a test holds the two together.

## Reading the numbers of v0

- **Scores are no probabilities.** They mostly lie between 0 and 1 and can exceed it: 1.303 has been seen (a face,
  Concentration), 1.15 in language. None below 0 has been seen. The scores of one row do not sum to 1.
- **Scores of different expressions are on different scales.** Hume's own display rescaled each by a range of its own (Love from
  0.021 to 0.114, Confusion from 0.062 to 1.09), so 0.3 of one is not 0.3 of another. Compare an expression with itself: across
  people, times, conditions.
- **v0 and v1 measure differently.** No column or view mixes the two, and nothing converts one to the other.
- Sentiment is a distribution over nine steps, 1 most negative, 5 neutral, 9 most positive; the nine sum to about 1
  (0.88 to 1.06 seen). Toxicity is six independent probabilities.
- Scores and `prob` are float32, which is what Hume sent (printed as doubles). A value that is no float32 is rounded to the
  nearest and counted when it is read; the raw answer keeps it exact. Times, boxes and confidences are float64, exact.
- **Null** means that Hume gave no value. Action units, descriptions of faces, sentiment and toxicity are null unless they were
  asked for; `confidence` is null in about half of all prosody rows, `speaker_confidence` in nearly all.
- **No rows** is an answer too: a file without a face, or silence, completes without an error. Such a scoring stands in `scorings`
  with 0 rows.
- Times are seconds from the start of the file (`*_s`). Windows of prosody may overlap, so weigh them by the time each one
  newly covers before averaging over time. Boxes are in pixels of the media, from the top left, and may reach beyond its edges.
- `face_0`, `spk_1`, ... tell faces and speakers apart within one file only. Several faces of one image may all be `unknown`.
- Rows of one answer lie in order of time. Nothing else about their order is promised.

## Columns nobody has declared

A name of Hume's that is in no list becomes a column by the same rule as the known ones (lower case, everything but letters and
digits one `_`, prefixed by its kind); if that would meet another column, `x_` and 8 hexadecimal digits. A new field of a row
becomes a column too: float64 if all its values are numbers, else text (JSON where it was neither number nor text). Each such
column says in its field metadata what it holds: `hume_name` and `hume_kind`, or `hume_field`. Past {limit} of them, the rest are
in the map columns `other` (scores) and `other_fields` (text). Rows of a model nobody has heard of are in a table
`model_<its name>`.

## Where the names come from

{names}
Known names in the camelCase of Hume's TypeScript SDKs (`aestheticAppreciation`) give the same columns, and `Sexual Desire`, as
`Desire` was called until 2023, gives `desire`. In CSV the five hand positions stand among the descriptions; they are `facs_`
columns here as they are action units in JSON. Colours are those of Hume's published examples.

"""
_SOURCES = {
    "expression": "expressions, prefix none: Hume's published payloads (48 for face, prosody and burst; 5 more for language)",
    "facs": "action units and hand positions, prefix `facs_`: as real answers carry them",
    "description": "descriptions of faces, prefix `desc_`: as real answers carry them",
    "vocalisation": "kinds of vocal bursts, prefix `desc_`: as real CSV artifacts carry them",
    "sentiment": "steps of sentiment, prefix `sentiment_`: Hume's API reference",
    "toxicity": "kinds of toxicity, prefix `toxicity_`: Hume's API reference",
}
_TYPES = {
    pa.string(): "text",
    pa.float32(): "float32",
    pa.float64(): "float64",
    pa.int64(): "int64",
    pa.int32(): "int32",
    pa.bool_(): "boolean",
    pa.timestamp("us", "UTC"): "timestamp (µs, UTC)",
}


def dictionary() -> str:
    """Return the data dictionary as Markdown.

    >>> dictionary().splitlines()[0]
    '# Data dictionary'
    """
    counts = {kind: sum(1 for name in vocabulary.names() if name.kind == kind) for kind in _SOURCES}
    names = "".join(f"- {counts[kind]} {about}\n" for kind, about in _SOURCES.items())
    tables = "\n".join(line for table in TABLES.values() for line in _table(table))
    return _HEAD.format(limit=LIMIT, names=names) + tables


def _table(table: Table) -> Iterator[str]:
    yield f"## {table.name}\n\nA row is {table.row}.\n"
    yield "| column | type | what it holds |\n|---|---|---|"
    shown = table.columns
    if table.model:
        yield f"| {', '.join(f'`{key.name}`' for key in KEYS)} | text | the keys: what was scored, the answer, the load |"
        shown = shown[len(KEYS) :]
    for column in shown:
        if column.hume_name is None:
            yield f"| `{column.name}` | {_TYPES[column.type]} | {column.about} |"
    yield ""
    if table.model:
        yield from _scores(table)


def _scores(table: Table) -> Iterator[str]:
    """Yield the score columns of a table, gathered by kind: one line each would bury what differs."""
    assert table.model
    for kind in vocabulary.PREFIXES:
        names = vocabulary.names_of(table.model, kind)
        if names:
            about = next(column.about for column in table.columns if column.name == names[0].column)
            yield f"{len(names)} columns of float32, {kind}: {about}.\n"
            yield ", ".join(f"`{name.column}`" for name in names) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Print the data dictionary, or write it."""
    parser = argparse.ArgumentParser(prog="python -m humeanalytics.tables.dictionary", description=__doc__)
    parser.add_argument("--write", nargs="?", const=DEFAULT_PATH, type=Path, metavar="FILE", help="write it to FILE")
    path = parser.parse_args(arguments).write
    if path:
        path.write_text(dictionary(), encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(dictionary())


if __name__ == "__main__":
    main()
