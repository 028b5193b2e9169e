"""The turns of chats as an analysis takes them: in order, each of one speaker, without greetings, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import Observations, observe
from humeanalytics.errors import UsageError

SPEAKERS = ("caller", "assistant")
_CHAT, _TURN, _SPEAKER, _GREETING = "chat_id", "turn", "speaker", "greeting"
_NEEDED = (_CHAT, _TURN, _SPEAKER, _GREETING, "first_at", "last_at")
_MESSAGES = "scored_messages"


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns by chat and order, one a row.

    Attributes:
        observations: Their scores, in that order.
        chat: Of each turn the number of its chat, below the length of ``chats``.
        chats: Ids.
        number: Of each turn its number in the chat; greetings are left out, so numbers may be missing.
        speaker: Of each turn the place of its speaker in `SPEAKERS`.
        minute: Of each turn the minutes from the beginning of its chat to its own middle.
        messages: How many messages with scores its scores are the mean of.
    """

    observations: Observations
    chat: Integers
    chats: list[str | None]
    number: Integers
    speaker: Integers
    minute: Floats
    messages: Floats


def read_turns(
    frame: Any,
    expressions: Sequence[str] | str | None,
    labels: Callable[[pa.Schema], list[str]],
    *,
    mixed_settings: bool,
) -> Turns:
    """Read a frame of turns.

    Raises:
        UsageError: It is no frame of turns, has no rows, has a turn twice, or mixes what must not be mixed.
    """

    def wanted(schema: pa.Schema) -> list[str]:
        if lacking := [name for name in _NEEDED if name not in schema.names]:
            raise UsageError(
                f"The frame lacks {', '.join(lacking)}, so it is no frame of turns. Pass lake['turns'], "
                "lake['turns_labelled'], or some rows of them with all these columns."
            )
        return [*_NEEDED, *(name for name in (_MESSAGES,) if name in schema.names), *labels(schema)]

    observations = observe(frame, expressions, wanted, apart=lambda _: [_CHAT], mixed_settings=mixed_settings)
    table = observations.table
    if table.num_rows == 0:
        raise UsageError("The frame has no turns. Fill the lake with humeanalytics export chats or ingest.")
    if unknown := [name for name in _NEEDED if name != _GREETING and table[name].null_count]:
        raise UsageError(f"{', '.join(unknown)} is null in some rows, so these are no turns of a chat. Leave them out.")
    chat, chats = frames.codes(table, [_CHAT])
    number = frames.numbers(table, _TURN).astype(np.int64)
    order = np.lexsort((number, chat))
    twice = np.flatnonzero((np.diff(chat[order]) == 0) & (np.diff(number[order]) == 0))
    if len(twice):
        at = order[twice[0]]
        raise UsageError(
            f"Turn {number[at]} of chat {chats[chat[at]][0]!r} is there twice (of {len(twice)} such), so it would count "
            "double. A join has multiplied rows; take each turn once."
        )
    who, names = frames.codes(table, [_SPEAKER])
    if strange := sorted({str(name) for (name,) in names} - set(SPEAKERS)):
        raise UsageError(f"speaker is {', '.join(strange)} in some rows; of turns it is caller or assistant.")
    speaker = np.array([SPEAKERS.index(str(name)) for (name,) in names], np.int64)[who]
    begin, end = (_minutes(table, name) for name in ("first_at", "last_at"))
    if backwards := int(np.count_nonzero(end < begin)):
        raise UsageError(f"{backwards:,} turns end before they begin: last_at is before first_at. Leave them out, or mend them.")
    began = np.full(len(chats), np.inf)
    np.minimum.at(began, chat, begin)
    minute = (begin + end) / 2 - began[chat]
    messages = np.ones(len(chat))
    if _MESSAGES in table.column_names:
        messages = np.nan_to_num(frames.numbers(table, _MESSAGES))
    try:
        greeting = np.asarray(pc.fill_null(table[_GREETING].cast(pa.bool_()), False).to_numpy(zero_copy_only=False), np.bool_)
    except pa.ArrowException:
        raise UsageError(
            f"{_GREETING} is neither true nor false but {table[_GREETING].type}. Pass the turns of the lake."
        ) from None
    kept = order[~greeting[order]]
    return Turns(
        observations.take(kept),
        chat[kept],
        [name for (name,) in chats],
        number[kept],
        speaker[kept],
        minute[kept],
        messages[kept],
    )


def _minutes(table: pa.Table, name: str) -> Floats:
    values = table[name]
    if not pa.types.is_timestamp(values.type):
        raise UsageError(f"{name} is no time but {values.type}. Pass the turns as the lake gives them.")
    since = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
    return np.asarray(since.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64) / 60e6
