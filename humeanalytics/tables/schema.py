"""What every table is: its columns, their types and what a row means. The data dictionary is generated from here.

All known columns are declared up front. The keys come first, because Delta Lake keeps statistics of the first 32 columns
only, and it is by keys that files are skipped.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.tables.declarations import (
    F32,
    F64,
    HUME_FIELD,
    HUME_KIND,
    HUME_MODEL,
    HUME_NAME,
    I32,
    I64,
    KEYS,
    UTC_TIME,
    Column,
    S,
    Table,
)
from humeanalytics.tables.declarations import declared as _c
from humeanalytics.tables.evi_schema import EVI_TABLES
from humeanalytics.tables.expression_schema import EXPRESSION_TABLES, UPLOADS
from humeanalytics.tables.who_schema import SEGMENTS, SUBJECTS
from humeanalytics.tables.words_schema import WORD_SOURCES, WORDS

__all__ = [
    "HUME_FIELD",
    "HUME_KIND",
    "HUME_MODEL",
    "HUME_NAME",
    "KEYS",
    "SCORE_TABLES",
    "TABLES",
    "UTC_TIME",
    "V1_TABLES",
    "Column",
    "Table",
    "model_of",
    "schema_of",
]

_FILE = _c("file", S, "the file as Hume names it: inside an archive a path, for texts a number")
_SPEAKER = _c("speaker_id", S, "`spk_0`, `spk_1`, ... or `unknown`; within this file only")
_SPAN = (
    _c("begin_s", F64, "start, seconds from the start of the recording; null for plain text"),
    _c("end_s", F64, "end, seconds from the start of the recording; null for plain text"),
)
_SPOKEN = (
    _c("text", S, "what was said or written"),
    _c("confidence", F64, "of the transcript, 0 to 1; null where there is none"),
    _c("speaker_confidence", F64, "of the speaker, 0 to 1; null where speakers were not told apart"),
)
_LANGUAGE = (
    _c("detected_language", S, "BCP-47 tag of the transcript"),
    _c("language_confidence", F64, "of the transcript's language, 0 to 1"),
)
_POSITION = (
    _c("position_begin", I64, "first character in the transcript or text, counted from 0"),
    _c("position_end", I64, "one past the last character"),
)

_MODEL_COLUMNS: dict[str, tuple[str, tuple[Column, ...]]] = {
    "face": (
        "one face in one frame",
        (
            _FILE,
            _c("face_id", S, "`face_0`, `face_1`, ... or `unknown`; within this file only"),
            _c("frame", I64, "number of the frame, counted from 0"),
            _c("time_s", F64, "seconds from the start of the recording; 0 for an image"),
            _c("prob", F32, "how sure the detector is that this is a face, 0 to 1"),
            _c("box_x", F64, "left edge of the face in pixels of the media; can be negative"),
            _c("box_y", F64, "top edge in pixels"),
            _c("box_w", F64, "width in pixels"),
            _c("box_h", F64, "height in pixels"),
        ),
    ),
    "prosody": ("one stretch of speech; windows may overlap", (_FILE, _SPEAKER, *_SPAN, *_SPOKEN, *_LANGUAGE)),
    "burst": ("one vocal burst", (_FILE, _SPEAKER, *_SPAN)),
    "language": (
        "one piece of text: a word, sentence, utterance or turn",
        (_FILE, _SPEAKER, *_SPAN, *_POSITION, *_SPOKEN, *_LANGUAGE),
    ),
    "ner": (
        "one named entity",
        (
            _FILE,
            _SPEAKER,
            *_SPAN,
            *_POSITION,
            _c("entity", S, "the entity as it was recognised"),
            _c("entity_confidence", F64, "how sure the model is, 0 to 1"),
            _c("support", F64, "how many links point to the entity"),
            _c("uri", S, "its page in a knowledge base"),
            _c("link_word", S, "the word the scores hang on"),
            *_SPOKEN,
            *_LANGUAGE,
        ),
    ),
    "facemesh": ("one face mesh", (_FILE, _c("face_id", S, "the group the mesh belongs to"))),
}
_SCORE_ABOUT = {
    "expression": "score of this expression, usually 0 to 1 and sometimes above; null where Hume gave none",
    "facs": "score of this action unit or hand position; null unless asked for",
    "description": "score of this description of the face; null unless asked for",
    "vocalisation": "score of this kind of vocal burst",
    "sentiment": "share of this sentiment, 1 most negative to 9 most positive; the nine sum to about 1; null unless asked for",
    "toxicity": "probability of this kind of toxicity; null unless asked for",
}


def _score_table(model: str) -> Table:
    row, columns = _MODEL_COLUMNS[model]
    scores = tuple(Column(n.column, F32, _SCORE_ABOUT[n.kind], n.name) for n in vocabulary.names_of(model))
    return Table(model, f"{row} (v0)", (*KEYS, *columns, *scores), model)


_LOAD = KEYS[2]
_BOOKKEEPING = (
    Table(
        "recordings",
        "one recording: some bytes that were scored",
        (
            KEYS[0],
            _LOAD,
            _c("sha256", S, "of the bytes; null where the bytes were never seen"),
            _c("md5", S, "of the bytes, as Hume reports it"),
            _c("size_bytes", I64, "size"),
            _c("media_type", S, "`audio`, `video`, `image`, `text` or `archive`"),
            _c("duration_s", F64, "length of audio or video"),
        ),
    ),
    Table(
        "recording_aliases",
        "one tie between an id that was all that was known and the recording it turned out to be",
        (
            _c("alias_id", S, "the prefixed id (`md5:`, `url:`, `name:`)"),
            KEYS[0],
            _LOAD,
            _c("reason", S, "what tied the two"),
        ),
    ),
    Table(
        "items",
        "one place where a recording occurred, and whose it is",
        (
            _c("item_id", S, "identity of the item"),
            KEYS[0],
            _LOAD,
            _c("uri", S, "path or URL, without signatures; a row of a text table is `path#row`"),
            _c("name", S, "last part of the path"),
            _c("media_type", S, "`audio`, `video`, `image`, `text` or `archive`"),
            _c("duration_s", F64, "length of audio or video"),
            _c("recorded_at", UTC_TIME, "when it was recorded"),
            _c("recorded_at_source", S, "where that time comes from: `manifest`, `media`, `name` or `modified`"),
            _c("excluded_reason", S, "why it is left out of the tables' plain names; null where it is not"),
            _c("seen_at", UTC_TIME, "when this row was written; the newest row of an item holds"),
        ),
    ),
    Table(
        "labels",
        "one label of one item",
        (
            _c("item_id", S, "the item"),
            _LOAD,
            _c("key", S, "what it is called: participant, condition, ..."),
            _c("value", S, "its value, always text"),
            _c("set_at", UTC_TIME, "when it was set; the newest of a key holds, an empty one takes it away"),
        ),
    ),
    Table(
        "settings",
        "what was asked for: models and their options",
        (
            _c("settings_id", S, "hash of the canonical form"),
            _LOAD,
            _c("api", S, "`batch` (v0), `expression` (v1) or `evi`"),
            _c("canonical_json", S, "the canonical form"),
        ),
    ),
    Table(
        "scorings",
        "one answer of one model for one recording",
        (
            KEYS[1],
            KEYS[0],
            _LOAD,
            _c("api", S, "`batch` (v0), `expression` (v1) or `evi`"),
            _c("origin", S, "the host that answered, `sandbox/SEED`, or `saved` where a file does not tell"),
            _c("model", S, "the model: of v0 also the table of its rows, of v1 `audio` or `video`, which have three each"),
            _c("settings_id", S, "what was asked for; null where a saved file does not tell"),
            _c("hume_job_id", S, "Hume's id of the job"),
            _c("response_id", S, "the answer as it is kept under raw/"),
            _c("file", S, "the file as Hume names it"),
            _c("dialect", S, "the form it was read from"),
            _c("scored_at", UTC_TIME, "when the job ended; null where a saved file does not tell"),
            _c("saved_at", UTC_TIME, "when the file it was read from was last changed; null where it came from a host"),
            _c("loaded_at", UTC_TIME, "when it came into the lake"),
            _c("rows", I64, "how many rows it gave"),
            _c("fingerprint", S, "hash of the rows' values, the same in whatever form the answer is met"),
        ),
    ),
    Table(
        "scoring_sources",
        "one more place where an answer already known was met again",
        (
            KEYS[1],
            _LOAD,
            _c("response_id", S, "the answer as it is kept under raw/"),
            _c("uri", S, "the file it was read from, or the host it was fetched from"),
            _c("dialect", S, "the form it was read from"),
        ),
    ),
    Table(
        "responses",
        "one answer of Hume's as it is kept under raw/",
        (
            _c("response_id", S, "sha256 of what is kept, before compression"),
            _LOAD,
            _c("api", S, "`batch` (v0), `expression` (v1) or `evi`"),
            _c("origin", S, "the host it came from, `sandbox/SEED`, or `saved`"),
            _c("kind", S, "what it is, for example `predictions`"),
            _c("uri", S, "where it came from"),
            _c("hume_job_id", S, "Hume's id of the job"),
            _c("size_bytes", I64, "before compression"),
            _c("received_at", UTC_TIME, "when it arrived"),
            _c("raw_path", S, "its path under raw/; null where raw bytes were not kept"),
        ),
    ),
    Table(
        "errors",
        "one thing that Hume or the flattener could not do",
        (
            _c("error_id", S, "identity of the error"),
            KEYS[0],
            _c("item_id", S, "the item, where it is known"),
            _LOAD,
            _c("run_id", S, "the run that met it"),
            _c("api", S, "`batch` (v0), `expression` (v1), `evi`, `words` (about a transcript) or `segments` (and subjects)"),
            _c("stage", S, "`plan`, `submit`, `score`, `collect`, `flatten` or `load`"),
            _c("uri", S, "the file or URL"),
            _c("hume_job_id", S, "Hume's id of the job"),
            _c("model", S, "the model, where only one failed"),
            _c("error", S, "its kind"),
            _c("message", S, "what happened, in Hume's words where they are Hume's"),
            _c("happened_at", UTC_TIME, "when"),
        ),
    ),
    Table(
        "runs",
        "one call of a verb",
        (
            _c("run_id", S, "identity of the run"),
            _LOAD,
            _c("verb", S, "`score`, `ingest`, ..."),
            _c("started_at", UTC_TIME, "when it began"),
            _c("ended_at", UTC_TIME, "when it ended"),
            _c("exit_code", I32, "what the command line returned"),
            _c("counts_json", S, "what it did, counted by state"),
            _c("version", S, "version of humeanalytics"),
        ),
    ),
    Table(
        "loads",
        "one complete commit of rows over several tables",
        (
            _LOAD,
            _c("flow", S, "`batch`, `ingest`, ..."),
            _c("run_id", S, "the run that made it"),
            _c("committed_at", UTC_TIME, "when it became complete"),
            _c("row_counts_json", S, "rows by table"),
            _c("replaces_json", S, "the loads whose rows these take the place of (a rebuild); null for all others"),
        ),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *map(_score_table, vocabulary.MODELS),
        *EXPRESSION_TABLES,
        *EVI_TABLES,
        *_BOOKKEEPING,
        UPLOADS,
        WORD_SOURCES,
        WORDS,
        SUBJECTS,
        SEGMENTS,
    )
}
#: Tables whose rows are scores of v0.
SCORE_TABLES: tuple[str, ...] = vocabulary.MODELS
#: Tables whose rows are of an answer of v1. One of v0 and one of v1 are never in one view.
V1_TABLES: tuple[str, ...] = tuple(table.name for table in EXPRESSION_TABLES)


@cache
def schema_of(table: str) -> pa.Schema:
    """Return the declared Arrow schema of a table.

    >>> schema_of("burst").names[:6]
    ['recording_id', 'scoring_id', 'load_id', 'file', 'speaker_id', 'begin_s']
    """
    return TABLES[table].schema


def model_of(table: str) -> str | None:
    """Return the model that a table's rows are answers of, as `scorings` names it; None for bookkeeping.

    >>> model_of("prosody"), model_of("audio_scores"), model_of("items")
    ('prosody', 'audio', None)
    """
    return TABLES[table].model
