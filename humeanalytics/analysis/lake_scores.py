"""What a summary asks of a lake: the scores of a model with their labels, of v1 as presence; nothing but what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from humeanalytics import vocabulary
from humeanalytics.analysis import frames
from humeanalytics.analysis.observations import check_one_settings
from humeanalytics.analysis.presence import presence
from humeanalytics.errors import UsageError
from humeanalytics.lake.scans import identifier

if TYPE_CHECKING:
    from humeanalytics.lake.lake import Lake

#: Model of v1 -> the tables of its scores and of what was measured.
_OF_V1 = {"audio": ("audio_scores", "audio_measurements"), "video": ("video_scores", "video_faces")}
_KEPT = {"recording_id", "scoring_id", "file", "speaker_id", "face_id", "channel", "begin_s", "end_s", "time_s"}
_MEASURED = {"measurement_id", "frame_id", "face", "measured", "expressions", "measure"}


def chosen_models(lake: Lake, models: Sequence[str] | None) -> list[str]:
    """Return the models to ask for; all that have rows where none is named.

    Raises:
        UsageError: There is none, or none of such a name; or some are of v0 and some of v1.
    """
    if models is not None:
        chosen, there = list(dict.fromkeys(models)), [*vocabulary.MODELS, *_OF_V1]
        if not chosen or not set(chosen) <= set(there):
            named = next((repr(model) for model in chosen if model not in there), "no model")
            raise UsageError(
                f"models names {named}; there are {', '.join(there)}. Of chats summarise a frame, for then you say whose "
                "voice: lake.sql(\"FROM transcript_labelled WHERE speaker = 'caller'\"), per='chat'."
            )
    else:
        rows = {info.name: info.rows for info in lake.tables()}
        chosen = [model for model in vocabulary.MODELS if rows.get(model)]
        chosen += [model for model, (_, measured) in _OF_V1.items() if rows.get(measured)]
        if not chosen:
            raise UsageError(f"The lake at {lake.uri} has no scores of recordings. Fill it with humeanalytics score or ingest.")
    of_v1 = [model for model in chosen if model in _OF_V1]
    if of_v1 and len(of_v1) < len(chosen):
        others = ", ".join(model for model in chosen if model not in _OF_V1)
        raise UsageError(
            f"{', '.join(of_v1)} is of v1, {others} is not: v1 tells presence, v0 scores, and they do not compare. "
            f"Summarise each by itself: models={of_v1[:1]!r}."
        )
    return chosen


def scores_of(lake: Lake, model: str, keys: Callable[[pa.Schema], list[str]], *, mixed_settings: bool) -> pa.Table:
    """Return the rows of a model with labels, as `presence` where it is of v1; the length of recordings is ``duration_s``.

    Raises:
        UsageError: It was asked for with several settings.
    """
    source = identifier(f"{_OF_V1[model][1] if model in _OF_V1 else model}_labelled")
    schema = lake.sql(f"FROM {source} LIMIT 0").arrow().schema
    wanted = {*_KEPT, *(_MEASURED if model in _OF_V1 else frames.expression_columns(schema)), *keys(schema)}
    listed = ", ".join(f"t.{identifier(name)}" for name in schema.names if name in wanted)
    rows = lake.sql(
        f"SELECT {listed}, i.duration_s FROM {source} AS t "
        "LEFT JOIN (SELECT recording_id, max(duration_s) AS duration_s FROM items GROUP BY ALL) AS i USING (recording_id)"
    )
    table = rows.arrow()
    if not mixed_settings:
        check_one_settings(rows, table)
    return presence(lake[_OF_V1[model][0]], table) if model in _OF_V1 else table
