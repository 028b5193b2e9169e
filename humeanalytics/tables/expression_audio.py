"""Answers to audio uploads of v1 as rows on the recording's own clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from humeanalytics.tables.expression_placement import Placement, Received
from humeanalytics.tables.expression_rows import Rows, Scores
from humeanalytics.tables.expression_values import Values, beside, is_scores

_RECEIVED = frozenset(("audio_duration_ms",))
_ANSWER = frozenset(("request_id", "run_id", "received", "utterances", "measurements"))
_UTTERANCE = frozenset(("utterance_id", "audio_start_ms", "audio_end_ms"))
_MEASUREMENT = _UTTERANCE | {"measurement_id", "trigger", "expressions", "voice_attributes"}
#: A cut without a pause of a second around it lies in sound that is so near.
_NEAR_MS = 1000


class AudioRows:
    """Rows of answers about audio: `read` each, those of one recording in the order of its chunks, then take the `tables`."""

    def __init__(self) -> None:
        self.restart()
        self._clear()

    def restart(self) -> None:
        """Count ids from 0 again: what follows is of another recording."""
        self._next_utterance_id = self._next_measurement_id = 0

    def _clear(self) -> None:
        self._utterances = Rows("audio_utterances")
        self._measurements = Rows("audio_measurements")
        self._scores = Scores("audio_scores")
        self._recordings: dict[str, list[int]] = {"audio_utterances": [], "audio_measurements": []}

    @property
    def rows(self) -> int:
        """How many rows there are since the last time tables were taken."""
        return self._utterances.count + self._measurements.count + self._scores.count

    def read(self, answer: dict[str, Any], placement: Placement, values: Values, place: str, recording: int) -> Received:
        """Add the rows of one answer.

        Args:
            answer: Its members.
            placement: Where what was sent lies.
            values: What reads it.
            place: Where it stands, for errors.
            recording: What `tables` shall call its recording.

        Raises:
            UnreadableResponse: Something is not what it must be; says where.
        """
        received = values.members(answer["received"], f"{place}.received") if answer.get("received") is not None else {}
        told = Received(
            model="audio",
            run_id=values.text_or_none(answer, "run_id", place),
            request_id=values.text_or_none(answer, "request_id", place),
            audio_ms=values.whole_or_none(received, "audio_duration_ms", f"{place}.received"),
            frames=None,
            face_state=None,
            other=beside(answer, _ANSWER) | {f"received.{key}": value for key, value in beside(received, _RECEIVED).items()},
            dialect="v1_camel" if values.camel else "v1",
        )
        utterances, measurements = self._utterances.count, self._measurements.count
        known = self._read_utterances(answer, told, placement, values, place)
        self._read_measurements(answer, told, placement, values, place, known)
        self._recordings["audio_utterances"] += [recording] * (self._utterances.count - utterances)
        self._recordings["audio_measurements"] += [recording] * (self._measurements.count - measurements)
        return told

    def tables(self) -> tuple[dict[str, pa.Table], dict[str, pa.Array]]:
        """Return what was read since the last time, and by table the recording of each row; ids go on where they stopped."""
        measurements = self._measurements.table()
        scores, of = self._scores.table(measurements)
        tables = {"audio_utterances": self._utterances.table(), "audio_measurements": measurements, "audio_scores": scores}
        recordings = {name: pa.array(each, pa.int64()) for name, each in self._recordings.items()}
        recordings["audio_scores"] = recordings["audio_measurements"].take(of)
        self._clear()
        return tables, recordings

    def _read_utterances(
        self, answer: dict[str, Any], told: Received, placement: Placement, values: Values, place: str
    ) -> dict[int, int]:
        """Add the utterances; return Hume's number of each -> its own in the recording."""
        known: dict[int, int] = {}
        for at, members in _objects(answer.get("utterances", []), values, f"{place}.utterances"):
            hume_id = values.whole(members, "utterance_id", at)
            if hume_id in known:
                values.error(at, f"utterance_id {hume_id} stands here a second time")
            span = _span(members, placement, values, at)
            known[hume_id] = self._next_utterance_id
            self._next_utterance_id += 1
            row = span | {
                "channel": placement.channel,
                "utterance_id": known[hume_id],
                "hard_cut": _at_hard_cut(span["hume_begin_ms"], span["hume_end_ms"], told, placement),
                "hume_run_id": told.run_id,
                "hume_utterance_id": hume_id,
            }
            self._utterances.add(row, beside(members, _UTTERANCE))
        return known

    def _read_measurements(
        self, answer: dict[str, Any], told: Received, placement: Placement, values: Values, place: str, utterances: dict[int, int]
    ) -> None:
        seen: set[int] = set()
        for at, members in _objects(answer.get("measurements"), values, f"{place}.measurements"):
            hume_id = values.whole(members, "measurement_id", at)
            if hume_id in seen:
                values.error(at, f"measurement_id {hume_id} stands here a second time")
            seen.add(hume_id)
            hume_utterance_id = values.whole(members, "utterance_id", at)
            parent = self._measurements.count
            counts = {
                f"{kind}s": self._scores.add(parent, kind, members.get(f"{kind}s"), values, f"{at}.{kind}s")
                for kind in ("expression", "voice_attribute")
            }
            more = beside(members, _MEASUREMENT)
            for key in sorted(key for key in more if is_scores(more[key])):
                self._scores.add(parent, key, more.pop(key), values, f"{at}.{key}")
            row = _span(members, placement, values, at) | {
                "channel": placement.channel,
                "measurement_id": self._next_measurement_id,
                "utterance_id": utterances.get(hume_utterance_id),
                "trigger": values.text_or_none(members, "trigger", at),
                **counts,
                "hume_run_id": told.run_id,
                "hume_measurement_id": hume_id,
                "hume_utterance_id": hume_utterance_id,
            }
            self._measurements.add(row, more)
            self._next_measurement_id += 1


def _objects(value: Any, values: Values, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a list, with their places."""
    for i, element in enumerate(values.elements(value, place)):
        at = f"{place}[{i}]"
        yield at, values.members(element, at)


def _span(members: dict[str, Any], placement: Placement, values: Values, place: str) -> dict[str, Any]:
    begin_ms, end_ms = (values.whole(members, key, place) for key in ("audio_start_ms", "audio_end_ms"))
    return {
        "begin_s": (placement.offset_ms + begin_ms) / 1000,
        "end_s": (placement.offset_ms + end_ms) / 1000,
        "hume_begin_ms": begin_ms,
        "hume_end_ms": end_ms,
    }


def _at_hard_cut(begin_ms: int, end_ms: int, told: Received, placement: Placement) -> bool:
    if placement.begins == "hard" and begin_ms <= _NEAR_MS:
        return True
    length_ms = told.audio_ms if told.audio_ms is not None else placement.duration_ms
    return placement.ends == "hard" and length_ms is not None and end_ms >= length_ms - _NEAR_MS
