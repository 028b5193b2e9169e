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

## Reading the numbers of v1

- **A name that is missing was below its cutoff. That is neither zero nor unknown.** Each answer tells only what is above: for
  faces 0.1, for voice attributes 0.725, for expressions in speech a threshold of each name's own that Hume does not publish.
  The mean of the probabilities that are there is therefore far too high, and must not be read as a level. The honest figure is
  *presence*: the share of newly covered time in which a name was above its cutoff. A wide table of v1 has to be filled with null.
- **Probabilities of different lists mean different things.** An expression in speech: the chance that it is truly there. A voice
  attribute: the intensity a rater would give. An expression of a face: the chance that a rater would name it. A description: the
  chance that the movement is visible. All are 0 to 1 with four decimals, kept as float64; they sum to nothing in particular.
- **Windows of audio overlap** (up to 10 s, every 3 s unless asked otherwise), and the last of an utterance can end a little after
  it. Weigh them by the time each one newly covers, in the order of `begin_s` within `channel`.
- Only the two largest faces of a frame are measured; up to 30 more are told as found (`measured` false). Which ones are the
  largest changes from frame to frame, so a face can come and go without having moved. `coverage` counts those not measured.
- **Null is not empty.** `expressions` and the like count a list: 0 means that nothing was above its cutoff, null that there was
  no list, as for a face that was only found. Measurements without a name and frames without a face are rows too; joins from
  the scores lose them.
- `utterance_id`, `measurement_id`, `frame_id` and `face_id` are unique within a recording and scoring, however many uploads it
  took; `hume_*` says what they were in their upload. `face_id` is a tracker's guess, not an identity, and begins anew with each
  `face_chain`.
- A recording too long for one upload is cut in pauses. Where there was none, utterances beside the cut have `hard_cut`: they may
  be parts of a longer one.
- In `scorings` the model is `audio` or `video`; its `rows` are those of all three tables together.

## Reading words

- v1 gives no transcript and tells no speakers apart. `words` has what files beside the recordings say (subtitles, Whisper,
  TextGrid, RTTM), in their own words: nothing is corrected, merged or guessed. Names of speakers are the file's.
- The clock is the recording's, as the file tells it; a file that was made of another cut of the recording does not fit, and
  nothing can tell. Rows may overlap: people do.
- Several files may tell of one recording. `words` has all of them, `source_id` apart; `spoken` takes the text of one.

## Reading who and when

- `subjects` and `segments` hold what people said of recordings (`--subjects`, `--segments`, `--channel-names`), and no service.
  In `NAME_labelled` they are the columns `role`, `participant` and `segment`; a column is there as soon as anybody has said
  something that belongs into it, and without that the views are what they were.
- A subject is what tells faces and voices of one recording apart: `face_id` and `speaker_id` of v0 as they stand in the row; v1
  numbers them, so `face_0` is its `face_id` 0 and `channel_0` its `channel` 0. Where several fit a row, `speaker_id` goes before
  `face_id` and that before `channel`. `face_id` of v1 is a tracker's guess: one person may be several subjects.
- **`participant` may come from two places.** What is said of the subject comes first, row by row; a label `participant` of the
  recording holds for all other rows of it. `role` and `segment` never come from labels: one so called is `label_role`.
- **A row is of the segment in which most of its time lies**, compared with other segments: a window that is in one for a second
  and in none for nine belongs to that one. Of two alike it is the earlier. A frame is of the segment that has begun by then and
  has not ended. Rows without a time, and rows that no segment reaches, have null.
- Segments of one recording do not overlap (a millisecond is forgiven): such a file is refused, because a row has one segment.
- Of a subject what was said last holds, role and participant each; an empty text takes it away. Of segments the last file that
  tells of a recording holds, all of it; a line of CSV with a recording and nothing else says that it has none.

## Reading chats

- **`role` is the side of the line, not who speaks.** All people in the room of the user are `USER`.
- Scores say how a voice would be heard, not what somebody feels. Those of the caller and of the assistant are different things:
  the views `transcript` and `turns` say whose each is, and no view averages them together. Text that was typed has none.
- The scores of a message of the assistant stand in its own row or, since the end of 2025, in an event `ASSISTANT_PROSODY` that
  points to it; `transcript` and `turns` take whichever is there, the latter first.
- Order events by `timestamp`, then `ordinal`: several may share a millisecond. It is the place in the server's list; of lists
  that came without page numbers, or that contradict each other, it is the place by time.
- `begin_ms` and `end_ms` count from the start of the user's audio, which is not the start of the chat. Where the event
  `USER_RECORDING_START_MESSAGE` is known they can be put on the clock, and `turns` has `felt_latency_ms`; elsewhere it is null.
- The scores of segments come in the model's own order and are put under the right names here.
- A chat of which only events are known has a row in `chats` all the same, without a status.
- Texts and JSON are kept as they came; fields whose names say that they hold a secret are blank, and so are signatures of URLs.

## Columns nobody has declared

A name of Hume's that is in no list becomes a column by the same rule as the known ones (lower case, everything but letters and
digits one `_`, prefixed by its kind); if that would meet another column, `x_` and 8 hexadecimal digits. A new field of a row
becomes a column too: float64 if all its values are numbers, else text (JSON where it was neither number nor text). Each such
column says in its field metadata what it holds: `hume_name` and `hume_kind`, or `hume_field`. Past {limit} of them, the rest are
in the map columns `other` (scores) and `other_fields` (text). Rows of a model nobody has heard of are in a table
`model_<its name>`.

## Where the names come from

{names}
What v1 calls things is data, not columns: {v1} of its names are known here (`vocabulary/names_v1.csv` says how each is), of the
{v1_all} Hume speaks of, and none is held against them.

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
    v1_all = sum(sum(kinds.values()) for kinds in vocabulary.MODELS_V1.values())
    tables = "\n".join(line for table in TABLES.values() for line in _table(table))
    return _HEAD.format(limit=LIMIT, names=names, v1=len(vocabulary.names_v1()), v1_all=v1_all) + tables


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
    if any(column.hume_name for column in table.columns):
        yield from _scores(table)


def _scores(table: Table) -> Iterator[str]:
    """Yield the score columns of a table, gathered by kind: one line each would bury what differs."""
    for kind in vocabulary.PREFIXES:
        names = vocabulary.names_of(table.model or "prosody", kind)  # EVI scores speech
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
