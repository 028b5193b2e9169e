"""What the tables are that say who is who in a recording, and which part of it is which."""

from __future__ import annotations

from humeanalytics.tables.declarations import F64, KEYS, UTC_TIME, S, Table
from humeanalytics.tables.declarations import declared as _c

_RECORDING, _, _LOAD = KEYS

SUBJECTS = Table(
    "subjects",
    "one face, speaker or channel of one recording, and whom it shows or who is heard in it",
    (
        _RECORDING,
        _LOAD,
        _c(
            "subject",
            S,
            "what tells it apart: `face_id` or `speaker_id` of v0 as they stand there; of v1 `face_0` for the `face_id` 0, "
            "`channel_0` for the `channel` 0",
        ),
        _c(
            "role",
            S,
            "what they are in it: interviewer, agent, mother, ...; a column of `NAME_labelled`, where a label of that name is "
            "`label_role` then",
        ),
        _c(
            "participant",
            S,
            "who they are. In `NAME_labelled` it comes before a label `participant` of the recording, row by row: that one holds "
            "for rows of which nothing is said here",
        ),
        _c("uri", S, "the file that says so, or `--channel-names`"),
        _c(
            "set_at",
            UTC_TIME,
            "when it was said; of role and participant each the newest holds, an empty one takes it away, null says nothing",
        ),
    ),
)
SEGMENTS = Table(
    "segments",
    "one phase of one recording; those of a recording do not overlap",
    (
        _RECORDING,
        _LOAD,
        _c("begin_s", F64, "start, seconds from the start of the recording"),
        _c("end_s", F64, "end, seconds from the start of the recording; what is at that very moment lies behind it"),
        _c(
            "segment",
            S,
            "what it is: baseline, task, ...; null says that the recording has none. A column of `NAME_labelled`: each row is of "
            "the segment in which most of its time lies (of two alike the earlier), of none if none of it does; a label of that "
            "name is `label_segment` then",
        ),
        _c("uri", S, "the file that says so"),
        _c("set_at", UTC_TIME, "when it was said; of a recording all that was said last holds, and nothing from before"),
    ),
)
