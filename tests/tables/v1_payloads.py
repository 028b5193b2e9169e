"""Answers of v1 made up at random, in every form they are met in, and what their rows have to be, said in the plainest way."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hume_expression_measurement import AudioFileResponse, VideoFileResponse

NAMES = [
    "joy",
    "feeling upset",
    "surprise (positive)",
    "chuckling",
    "interest",
    "neutral",
    "Zest",
    "ärger",
    'a "quoted" name',
    "",
]


def scores(rng: random.Random, most: int = 4) -> list[dict[str, Any]]:
    """A list as Hume gives it: four decimals, the highest first."""
    found = [{"name": name, "probability": rng.randrange(10_001) / 10_000} for name in rng.sample(NAMES, rng.randrange(most + 1))]
    return sorted(found, key=lambda score: -score["probability"])


def ids(rng: random.Random) -> dict[str, str]:
    return {"request_id": f"{rng.getrandbits(128):032x}", "run_id": f"0199c3e1-{rng.getrandbits(64):016x}"}


def utterances_of(rng: random.Random, length_ms: int) -> list[tuple[int, int]]:
    """Stretches of speech with pauses between them."""
    found, at = [], 0
    while True:
        begin = at + rng.randrange(200, 4000)
        end = begin + rng.randrange(300, 12_000)
        if end > length_ms:
            return found
        found.append((begin, end))
        at = end + 500


def audio_answer(
    rng: random.Random, utterances: list[tuple[int, int]], begin_ms: int = 0, end_ms: int = 60_000
) -> dict[str, Any]:
    """An answer for the audio from ``begin_ms`` to ``end_ms`` of a recording with these utterances.

    What is measured depends on the utterance alone, as with a detector that does not notice where a file was cut.
    """
    measured, told = [], []
    for begin, end in utterances:
        if begin_ms <= begin and end <= end_ms:
            told.append((begin, end))
            own = random.Random(begin * 1_000_003 + end)
            for until in [*range(begin + 3000, end, 3000), end]:
                window = {"audio_start_ms": max(begin, until - 10_000) - begin_ms, "audio_end_ms": until - begin_ms}
                lists = {"expressions": scores(own), "voice_attributes": scores(own)}
                measured.append((len(told) - 1, window, "speech_ended" if until == end else "interval", lists))
    return {
        **ids(rng),
        "received": {"audio_duration_ms": end_ms - begin_ms},
        "utterances": [
            {"utterance_id": i, "audio_start_ms": begin - begin_ms, "audio_end_ms": end - begin_ms}
            for i, (begin, end) in enumerate(told)
        ],
        "measurements": [
            {"measurement_id": i, "utterance_id": utterance, **window, "trigger": trigger, **lists}
            for i, (utterance, window, trigger, lists) in enumerate(measured)
        ],
    }


def face(rng: random.Random, face_id: int | None) -> dict[str, Any]:
    x, y = rng.randrange(-20, 1000) / 10, rng.randrange(0, 1000) / 10
    return {
        "face_id": face_id,
        "bbox": [x, y, x + rng.randrange(600, 3000) / 10, y + rng.randrange(600, 3000) / 10],
        "confidence": rng.randrange(9000, 10_001) / 10_000,
        "expressions": None if face_id is None else scores(rng),
        "descriptions": None if face_id is None else scores(rng),
    }


def video_answer(rng: random.Random, frames: int, state: bool = False) -> dict[str, Any]:
    """An answer for some images: none to two faces measured in each, up to three more only found."""
    measurements = [
        {
            "frame_id": i,
            "faces": [face(rng, n) for n in rng.sample(range(4), rng.randrange(3))]
            + [face(rng, None) for _ in range(rng.choice([0, 0, 1, 3]))],
        }
        for i in range(frames)
    ]
    answer = {**ids(rng), "received": {"frames": frames}, "measurements": measurements}
    return answer | {"face_state": "opaque-token"} if state else answer


def answer_of(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.5:
        return audio_answer(rng, utterances_of(rng, rng.choice([0, 5_000, 60_000])))
    return video_answer(rng, rng.randrange(6), rng.random() < 0.5)


# ------------------------------------------------------------------------------------------------------------------- forms
def camel(value: Any) -> Any:
    """The same with keys as a TypeScript SDK has them."""
    if isinstance(value, list):
        return [camel(each) for each in value]
    if isinstance(value, dict):
        return {key.split("_")[0] + "".join(map(str.capitalize, key.split("_")[1:])): camel(each) for key, each in value.items()}
    return value


def sdk(answer: dict[str, Any]) -> Any:
    model = VideoFileResponse if "frames" in answer["received"] else AudioFileResponse
    return model.model_validate(answer)


#: How people save one answer.
FORMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "api": json.dumps,
    "compact": lambda answer: json.dumps(answer, separators=(",", ":"), ensure_ascii=False),
    "indented": lambda answer: "\ufeff" + json.dumps(answer, indent=2),
    "sorted": lambda answer: json.dumps(answer, sort_keys=True),
    "sdk model_dump": lambda answer: json.dumps(sdk(answer).model_dump()),
    "sdk without nulls": lambda answer: json.dumps(sdk(answer).model_dump(exclude_none=True)),
    "sdk model_dump_json": lambda answer: sdk(answer).model_dump_json(),
    "sdk json": lambda answer: sdk(answer).json(),
    "sdk camelCase": lambda answer: json.dumps(camel(answer)),
    "list": lambda answer: json.dumps([answer]),
    "lines": lambda answer: json.dumps(answer) + "\n" + json.dumps({"type": "error", "code": "server_busy"}) + "\n",
    "wrapped": lambda answer: json.dumps({"file": "a.wav", "measured": {"at": 5, "answers": [{"answer": answer}]}}),
    "wrapped camelCase": lambda answer: json.dumps({"a.wav": camel(answer)}),
}


# ----------------------------------------------------------------------------------------------------------- what rows have to be
def score_rows(where: dict[str, Any], kind: str, listed: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return [where | {"kind": kind, **score, "rank": i + 1} for i, score in enumerate(listed or ())]


def expected_audio(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of an answer on its own, one list a table."""
    run = {"hume_run_id": answer["run_id"]}
    tables: dict[str, list[dict[str, Any]]] = {"audio_utterances": [], "audio_measurements": [], "audio_scores": []}

    def span(each: dict[str, Any]) -> dict[str, Any]:
        return {"channel": None, "begin_s": each["audio_start_ms"] / 1000, "end_s": each["audio_end_ms"] / 1000}

    def original(each: dict[str, Any]) -> dict[str, Any]:
        return run | {"hume_begin_ms": each["audio_start_ms"], "hume_end_ms": each["audio_end_ms"]}

    for each in answer["utterances"]:
        own = {"utterance_id": each["utterance_id"], "hume_utterance_id": each["utterance_id"], "hard_cut": False}
        tables["audio_utterances"].append(span(each) | original(each) | own)
    for each in answer["measurements"]:
        where = span(each) | {key: each[key] for key in ("measurement_id", "utterance_id")}
        counts = {key: len(each[key]) for key in ("expressions", "voice_attributes")}
        hume = {"hume_measurement_id": each["measurement_id"], "hume_utterance_id": each["utterance_id"]}
        tables["audio_measurements"].append(where | original(each) | counts | hume | {"trigger": each["trigger"]})
        tables["audio_scores"] += score_rows(where, "expression", each["expressions"])
        tables["audio_scores"] += score_rows(where, "voice_attribute", each["voice_attributes"])
    return tables


def expected_video(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    run = {"hume_run_id": answer["run_id"]}
    tables: dict[str, list[dict[str, Any]]] = {"video_frames": [], "video_faces": [], "video_scores": []}
    for frame in answer["measurements"]:
        at = {"frame_id": frame["frame_id"], "time_s": None}
        measured = [face for face in frame["faces"] if face["face_id"] is not None]
        counts = {"faces": len(frame["faces"]), "measured_faces": len(measured), "hume_frame_id": frame["frame_id"]}
        tables["video_frames"].append(at | run | counts)
        for n, each in enumerate(frame["faces"]):
            who = at | {"face": n, "face_id": each["face_id"]}
            lengths = {key: None if each[key] is None else len(each[key]) for key in ("expressions", "descriptions")}
            box = dict(zip(("box_x0", "box_y0", "box_x1", "box_y1"), each["bbox"], strict=True))
            more = {"measured": each["face_id"] is not None, "confidence": each["confidence"], "face_chain": 0}
            tables["video_faces"].append(who | run | lengths | box | more | {"hume_face_id": each["face_id"]})
            tables["video_scores"] += score_rows(who, "expression", each["expressions"])
            tables["video_scores"] += score_rows(who, "description", each["descriptions"])
    return tables


def expected(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return expected_video(answer) if "frames" in answer["received"] else expected_audio(answer)
