"""SQL that says of rows whose each is and in which phase of its recording: columns beside those of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from humeanalytics.lake.scans import identifier, literal
from humeanalytics.lake.views import labelled, view_text

ROLE, PARTICIPANT, SEGMENT = "role", "participant", "segment"
#: What tells subjects of a recording apart, the likeliest first, and what they are called where a table only numbers them.
_SUBJECTS = {"speaker_id": "spk_", "face_id": "face_", "channel": "channel_"}
_TIMES = (("begin_s", "end_s"), ("time_s", "time_s"))
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said about recordings: which columns of subjects there are, and whether there are segments.

    Attributes:
        of_subjects: Of `ROLE` and `PARTICIPANT` those that some subject has.
        has_segments: Whether any recording has segments.
    """

    of_subjects: tuple[str, ...] = ()
    has_segments: bool = False


def subject_keys(types: Mapping[str, str], table: str = "t") -> list[str]:
    """Return what may be a row's subject, as SQL, given column -> DuckDB type.

    >>> subject_keys({"face_id": "BIGINT", "time_s": "DOUBLE"})
    ["'face_' || t.face_id"]
    """
    found = []
    for column, prefix in _SUBJECTS.items():
        if column in types:
            numbered = types[column] in _WHOLE
            found.append(f"{literal(prefix)} || {table}.{column}" if numbered else f"{table}.{column}")
    return found


def times_of(columns: Sequence[str] | Mapping[str, str]) -> tuple[str, str] | None:
    """Return the columns of a row's begin and end; the same for frames, None where rows have no time."""
    return next((times for times in _TIMES if set(times) <= set(columns)), None)


def who_joins(keys: Sequence[str], subjects: str, recording: str = "t.recording_id") -> str:
    """Return joins of the table ``subjects``, one for each key; a subject is there once, so rows stay as many."""
    return "".join(
        f"\nLEFT JOIN {subjects} AS who_{n} ON who_{n}.recording_id = {recording} AND who_{n}.subject = {key}"
        for n, key in enumerate(keys)
    )


def who_column(column: str, keys: Sequence[str], otherwise: str | None = None) -> str:
    """Return a column of subjects as SQL: of the first key of which it is said; else ``otherwise``."""
    values = [*(f"who_{n}.{column}" for n in range(len(keys))), *([otherwise] if otherwise else [])]
    return f"coalesce({', '.join(values)})"


def segment_column(times: tuple[str, str], segments: str, recording: str = "t.recording_id") -> tuple[str, str]:
    """Return the segment of a row as SQL, and the join it needs of the table ``segments``; rows stay as many.

    Segments of a recording do not overlap, so a frame lies in one at most, and a plain join finds it ten times as fast as what
    windows need.
    """
    begin, end = (f"t.{identifier(name)}" for name in times)
    if begin != end:
        return view_text("segment_of").fill(begin=begin, end=end, segments=segments, recording=recording), ""
    here = f"phase.recording_id = {recording} AND phase.begin_s <= {begin} AND phase.end_s > {begin}"
    return f"phase.{SEGMENT}", f"\nLEFT JOIN {segments} AS phase ON {here}"


def scores_labelled(table: str, types: Mapping[str, str], label_keys: Sequence[str], said: Said) -> str:
    """Return a table of scores with labels as columns, and with what is said of its subjects and its recordings' segments."""
    keys, times = subject_keys(types) if said.of_subjects else [], times_of(types)
    more = {ROLE: who_column(ROLE, keys)} if keys and ROLE in said.of_subjects else {}
    joins = who_joins(keys, "internal.subjects") if keys else ""
    if said.has_segments and times is not None:
        more[SEGMENT], join = segment_column(times, "internal.segments")
        joins += join
    instead = {}
    if keys and PARTICIPANT in said.of_subjects:
        instead = {PARTICIPANT: lambda label: who_column(PARTICIPANT, keys, label)}
    return labelled(table, list(types), label_keys, more=more, instead=instead, joins=joins)
