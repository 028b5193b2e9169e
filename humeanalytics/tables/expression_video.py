"""Answers to image uploads of v1 as rows: frames, the faces in them, and their scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.tables.expression_placement import Frame, Placement, Received
from humeanalytics.tables.expression_rows import Rows, Scores
from humeanalytics.tables.expression_values import Values, beside, is_scores

_RECEIVED = frozenset(("frames",))
_ANSWER = frozenset(("request_id", "run_id", "received", "measurements", "face_state"))
_FRAME = frozenset(("frame_id", "faces"))
_FACE = frozenset(("face_id", "bbox", "confidence", "expressions", "descriptions"))
_CORNERS = ("box_x0", "box_y0", "box_x1", "box_y1")


class VideoRows:
    """Rows of answers about images: `read` each, those of one recording in the order of its frames, then take the `tables`."""

    def __init__(self) -> None:
        self.restart()
        self._clear()

    def restart(self) -> None:
        """Count ids from 0 again: what follows is of another recording."""
        self._chain = self._first_face_id = self._next_face_id = 0

    def _clear(self) -> None:
        self._frames = Rows("video_frames")
        self._faces = Rows("video_faces")
        self._scores = Scores("video_scores")
        self._recordings: list[int] = []  # of each frame
        self._frame_of: list[int] = []  # of each face

    @property
    def rows(self) -> int:
        """How many rows there are since the last time tables were taken."""
        return self._frames.count + self._faces.count + self._scores.count

    def read(self, answer: dict[str, Any], placement: Placement, values: Values, place: str, recording: int) -> Received:
        """Add the rows of one answer.

        Args:
            answer: Its members.
            placement: Where what was sent lies.
            values: What reads it.
            place: Where it stands, for errors.
            recording: What `tables` shall call its recording; of several in one upload, the first.

        Raises:
            UnreadableResponse: Something is not what it must be; says where.
            ValueError: The uploads are not in the order of their face chains.
        """
        received = values.members(answer["received"], f"{place}.received") if answer.get("received") is not None else {}
        told = Received(
            model="video",
            run_id=values.text_or_none(answer, "run_id", place),
            request_id=values.text_or_none(answer, "request_id", place),
            audio_ms=None,
            frames=values.whole_or_none(received, "frames", f"{place}.received"),
            face_state=values.text_or_none(answer, "face_state", place),
            other=beside(answer, _ANSWER) | {f"received.{key}": value for key, value in beside(received, _RECEIVED).items()},
            dialect="v1_camel" if values.camel else "v1",
        )
        self._begin_chain(placement.face_chain)
        seen: set[int] = set()
        for i, element in enumerate(values.elements(answer.get("measurements"), f"{place}.measurements")):
            at = f"{place}.measurements[{i}]"
            members = values.members(element, at)
            hume_id = values.whole(members, "frame_id", at)
            if hume_id in seen:
                values.error(at, f"frame_id {hume_id} stands here a second time")
            seen.add(hume_id)
            self._recordings.append(recording + self._read_frame(members, hume_id, told, placement, values, at))
        return told

    def tables(self) -> tuple[dict[str, pa.Table], dict[str, pa.Array]]:
        """Return what was read since the last time, and by table the recording of each row; ids go on where they stopped."""
        frames, faces = self._frames.table(), self._faces.table()
        scores, of = self._scores.table(faces)
        frame_recordings = pa.array(self._recordings, pa.int64())
        face_recordings = frame_recordings.take(pa.array(np.array(self._frame_of, np.int64)))
        tables = {"video_frames": frames, "video_faces": faces, "video_scores": scores}
        recordings = {"video_frames": frame_recordings, "video_faces": face_recordings, "video_scores": face_recordings.take(of)}
        self._clear()
        return tables, recordings

    def _begin_chain(self, chain: int) -> None:
        if chain < self._chain:
            raise ValueError(f"an upload of face chain {chain} comes after one of chain {self._chain}")
        if chain > self._chain:
            self._chain, self._first_face_id = chain, self._next_face_id

    def _read_frame(
        self, members: dict[str, Any], hume_id: int, told: Received, placement: Placement, values: Values, place: str
    ) -> int:
        """Add one frame with its faces; return which recording it is of."""
        frame = Frame(hume_id)
        if placement.frames is not None:
            if not 0 <= hume_id < len(placement.frames):
                values.error(place, f"frame_id is {hume_id}, and {len(placement.frames)} images were sent")
            frame = placement.frames[hume_id]
        where = {"frame_id": frame.frame_id, "time_s": frame.time_s, "hume_run_id": told.run_id}
        faces = values.elements(members.get("faces"), f"{place}.faces")
        measured = 0
        for n, element in enumerate(faces):
            at = f"{place}.faces[{n}]"
            measured += self._read_face(values.members(element, at), n, where, frame, placement.face_chain, values, at)
            self._frame_of.append(self._frames.count)
        counts = {"faces": len(faces), "measured_faces": measured, "hume_frame_id": hume_id}
        self._frames.add(where | counts, beside(members, _FRAME))
        return frame.recording

    def _read_face(
        self, members: dict[str, Any], n: int, where: dict[str, Any], frame: Frame, chain: int, values: Values, place: str
    ) -> bool:
        """Add one face; return whether it was measured."""
        hume_id = values.whole_or_none(members, "face_id", place)
        if hume_id is not None:
            if hume_id < 0:
                values.error(place, f"face_id is {hume_id}")
            self._next_face_id = max(self._next_face_id, self._first_face_id + hume_id + 1)
        parent = self._faces.count
        counts = {
            f"{kind}s": self._scores.add(parent, kind, members.get(f"{kind}s"), values, f"{place}.{kind}s")
            for kind in ("expression", "description")
        }
        more = beside(members, _FACE)
        for key in sorted(key for key in more if is_scores(more[key])):
            self._scores.add(parent, key, more.pop(key), values, f"{place}.{key}")
        measured = any(count is not None for count in counts.values())
        confidence = members.get("confidence")
        row = where | {
            "face": n,
            "face_id": None if hume_id is None else self._first_face_id + hume_id,
            "measured": measured,
            "confidence": None if confidence is None else values.number(confidence, f"{place}.confidence"),
            **dict(zip(_CORNERS, _box(members.get("bbox"), frame, values, f"{place}.bbox"), strict=True)),
            **counts,
            "hume_face_id": hume_id,
            "face_chain": chain,
        }
        self._faces.add(row, more)
        return measured


def _box(value: Any, frame: Frame, values: Values, place: str) -> tuple[float, float, float, float]:
    corners = values.elements(value, place)
    if len(corners) != 4:
        values.error(place, f"this has {len(corners)} numbers, not the four of two corners")
    x0, y0, x1, y1 = (values.number(corner, f"{place}[{i}]") for i, corner in enumerate(corners))
    across, down = frame.across, frame.down
    return frame.left + x0 * across, frame.top + y0 * down, frame.left + x1 * across, frame.top + y1 * down
