"""What the tables of v1 are. They are long, a row a name: a v1 answer tells only what is above a cutoff, among hundreds of names.

Ids and times are the recording's own, over all uploads it took; what Hume called them within one upload stands in ``hume_*``.
"""

from __future__ import annotations

from humeanalytics.tables.declarations import F64, I32, I64, KEYS, UTC_TIME, B, Column, S, Table
from humeanalytics.tables.declarations import declared as _c

_CHANNEL = _c("channel", I64, "the channel it was heard in, from 0, where each was scored as its own; null where all were mixed")
_SPAN = (
    _c("begin_s", F64, "start, seconds from the start of the recording"),
    _c("end_s", F64, "end, seconds from the start of the recording"),
)
_TIME = _c(
    "time_s", F64, "when the frame was shown, seconds from the start of the recording; null where a saved answer does not tell"
)
_HUME_RUN = _c("hume_run_id", S, "Hume's id of the upload it was measured in; joins to `uploads`")
_HUME_SPAN = (
    _c("hume_begin_ms", I64, "its start as Hume gave it, from the start of that upload"),
    _c("hume_end_ms", I64, "its end as Hume gave it"),
)
_UTTERANCE = _c("utterance_id", I64, "the utterance, from 0 within the recording")
_MEASUREMENT = _c("measurement_id", I64, "the measurement, from 0 within the recording")
_FRAME = _c("frame_id", I64, "the frame, within the recording")
_FACE = _c("face", I64, "position among the faces of the frame, from 0: measured ones first, largest first")
_FACE_ID = _c("face_id", I64, "the same for what the tracker takes for the same face of this recording; null where not measured")


def _score(kinds: str) -> tuple[Column, ...]:
    return (
        _c("kind", S, f"{kinds}, or the list of the answer it stood in where that is new"),
        _c("name", S, "Hume's name, as it is written there"),
        _c("probability", F64, "0 to 1; only what is above a cutoff is told"),
        _c("rank", I64, "place in its list: 1 is the highest"),
    )


def _count(what: str) -> str:
    return f"how many {what} were above their cutoff; null where Hume gave no list"


#: The tables whose rows are of an answer of v1.
EXPRESSION_TABLES = (
    Table(
        "audio_utterances",
        "one stretch of speech (v1)",
        (
            *KEYS,
            _CHANNEL,
            _UTTERANCE,
            *_SPAN,
            _c(
                "hard_cut",
                B,
                "whether the recording was cut in sound within a second of its start or end, so that it may be longer",
            ),
            _HUME_RUN,
            _c("hume_utterance_id", I64, "its number in that upload"),
            *_HUME_SPAN,
        ),
        "audio",
    ),
    Table(
        "audio_measurements",
        "one window of up to 10 s that was measured; windows overlap (v1)",
        (
            *KEYS,
            _CHANNEL,
            _MEASUREMENT,
            _UTTERANCE,
            *_SPAN,
            _c("trigger", S, "why it was measured then: `interval` or `speech_ended`"),
            _c("expressions", I64, _count("expressions")),
            _c("voice_attributes", I64, _count("voice attributes")),
            _HUME_RUN,
            _c("hume_measurement_id", I64, "its number in that upload"),
            _c("hume_utterance_id", I64, "the utterance's number in that upload"),
            *_HUME_SPAN,
        ),
        "audio",
    ),
    Table(
        "audio_scores",
        "one name above its cutoff in one measured window (v1)",
        (*KEYS, _CHANNEL, _MEASUREMENT, _UTTERANCE, *_SPAN, *_score("`expression` or `voice_attribute`")),
        "audio",
    ),
    Table(
        "video_frames",
        "one frame, or image, that was measured, with faces or without (v1)",
        (
            *KEYS,
            _FRAME,
            _TIME,
            _c("faces", I64, "how many faces were found; at most 32 are told"),
            _c("measured_faces", I64, "how many of them were measured: the two largest"),
            _HUME_RUN,
            _c("hume_frame_id", I64, "its number in that upload"),
        ),
        "video",
    ),
    Table(
        "video_faces",
        "one face in one frame (v1)",
        (
            *KEYS,
            _FRAME,
            _TIME,
            _FACE,
            _FACE_ID,
            _c("measured", B, "whether its expressions were measured; false: it was only found"),
            _c("confidence", F64, "how sure the detector is that this is a face, 0 to 1; not on the scale of v0"),
            _c("box_x0", F64, "left edge in pixels of the recording, turned as it is shown"),
            _c("box_y0", F64, "top edge"),
            _c("box_x1", F64, "right edge"),
            _c("box_y1", F64, "bottom edge"),
            _c("expressions", I64, _count("expressions")),
            _c("descriptions", I64, _count("descriptions")),
            _HUME_RUN,
            _c("hume_face_id", I64, "the face's number in that chain of uploads"),
            _c("face_chain", I64, "the chain of uploads over which Hume numbered faces, from 0 within the recording"),
        ),
        "video",
    ),
    Table(
        "video_scores",
        "one name above its cutoff for one measured face in one frame (v1)",
        (*KEYS, _FRAME, _TIME, _FACE, _FACE_ID, *_score("`expression` or `description`")),
        "video",
    ),
)
#: One request to v1. Not of an answer: there may be none, and what a superseded one cost stays in it.
UPLOADS = Table(
    "uploads",
    "one request to v1 that was measured, refused or lost",
    (
        _c("upload_id", S, "identity of the request"),
        *KEYS,
        _c("run_id", S, "the run of this toolkit that sent it"),
        _c("origin", S, "the host it went to, `sandbox/SEED`, or `saved`"),
        _c("model", S, "`audio` or `video`"),
        _c("settings_id", S, "what was asked for; null where a saved answer does not tell"),
        _c("state", S, "`received`, `rejected` or `unknown` (its answer was lost)"),
        _c("channel", I64, "the channel of the recording; null where all were mixed"),
        _c("chunk", I64, "its number among the uploads of the recording and channel, from 0"),
        _c("offset_s", F64, "where in the recording it begins, seconds"),
        _c("duration_s", F64, "length of the audio, seconds"),
        _c("begins", S, "what lies before it: `recording` (nothing), `silence`, or `hard` (the recording was cut in sound)"),
        _c("ends", S, "what lies after it, likewise"),
        _c("frames", I64, "how many images were sent"),
        _c("face_chain", I64, "the chain of uploads over which Hume numbered faces"),
        _c("size_bytes", I64, "of the media, as sent"),
        _c("sha256", S, "of what was sent"),
        _c("sent_at", UTC_TIME, "when its first byte went out"),
        _c("answered_at", UTC_TIME, "when its answer had come"),
        _c("status", I32, "HTTP status of the answer"),
        _c("error_code", S, "Hume's code of the error, where it was one"),
        _c("hume_run_id", S, "Hume's id of the run"),
        _c("hume_request_id", S, "Hume's id of the request, which its support asks for"),
        _c("response_id", S, "the answer as it is kept under raw/"),
        _c("received_s", F64, "length of the audio as Hume decoded it, seconds"),
        _c("received_frames", I64, "images as Hume counted them"),
        _c("billed", S, "`yes`, `no`, or `unknown` where nobody can tell"),
        _c("billed_s", F64, "seconds by Hume's rule: the audio's length or a third for each image, 10 at least; 0 if not billed"),
        _c("metered_s", F64, "seconds as Hume's list of runs says; null where it was not asked"),
        _c("noted_at", UTC_TIME, "when this row was written; the newest row of a request holds"),
        _c("other_json", S, "what the answer held beside its measurements that nobody has heard of, as JSON"),
    ),
)
