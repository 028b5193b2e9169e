"""Which faces are listed, measured and followed, and what carries them from request to request."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from expression_client import jpeg, measured, refusal, send_images, showing, with_segment
from hume_client import Hume
from hypothesis import given
from hypothesis import strategies as st
from made_media import image

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.expression.detection import Face, choose_faces
from humeanalytics.sandbox.expression.tracking import Tracker, resume

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
PICTURE = jpeg(1280, 720)


def person(name: str, size: float = 100, confidence: float = 0.99, x: float = 10, y: float = 20) -> dict[str, Any]:
    return {"person": name, "box": [x, y, x + size, y + 1.2 * size], "confidence": confidence}


def frames(hume: Hume, *people: list[dict[str, Any]], config: Any = None) -> list[list[dict[str, Any]]]:
    """The faces told of images that show these people."""
    body = measured(send_images(hume, [showing(PICTURE, faces) for faces in people], config))
    assert [frame["frame_id"] for frame in body["measurements"]] == list(range(len(people)))
    return [frame["faces"] for frame in body["measurements"]]


def ids(faces: list[dict[str, Any]]) -> list[int | None]:
    return [face["face_id"] for face in faces]


def test_the_largest_two_are_measured_and_the_rest_listed_by_confidence(shared: Hume) -> None:
    (faces,) = frames(
        shared,
        [person("a", 80, 0.95), person("b", 200, 0.91), person("c", 90, 0.92), person("d", 300, 0.93), person("e", 70, 0.99)],
    )
    assert [face["bbox"][2] - 10 for face in faces] == [300, 200, 70, 80, 90]
    assert [face["confidence"] for face in faces] == [0.93, 0.91, 0.99, 0.95, 0.92]
    assert ids(faces) == [0, 1, None, None, None]
    for face in faces[:2]:
        assert isinstance(face["expressions"], list) and isinstance(face["descriptions"], list)
    for face in faces[2:]:
        assert face["expressions"] is None and face["descriptions"] is None
    assert all(set(face) == {"face_id", "bbox", "confidence", "expressions", "descriptions"} for face in faces)


def test_no_more_than_thirty_two_are_listed(shared: Hume) -> None:
    (faces,) = frames(shared, [person(str(n), 100 + n, 0.9 + n / 1000) for n in range(50)])
    assert len(faces) == 32
    confidences = [face["confidence"] for face in faces]
    assert confidences[:2] == [0.949, 0.948] and confidences[2:] == sorted(confidences[2:], reverse=True)
    assert confidences[2] == 0.947


def test_threshold_and_size_decide_what_is_listed(shared: Hume) -> None:
    people = [person("sure", 100, 0.9), person("unsure", 100, 0.8999), person("large", 60), person("small", 59.9)]
    assert len(frames(shared, people)[0]) == 2
    assert len(frames(shared, people, config={"face": {"threshold": 0.5}})[0]) == 3
    assert len(frames(shared, people, config={"face": {"threshold": 0.5, "min_size": 59}})[0]) == 4
    assert len(frames(shared, people, config={"face": {"min_size": 101}})[0]) == 0
    assert frames(shared, people, config={"face": {"threshold": 1}}) == [[]]


def test_an_image_without_faces_is_a_normal_result(shared: Hume) -> None:
    flat = image("mjpeg", flat=True, width=640, height=480)
    assert measured(send_images(shared, [flat, jpeg(30, 30)]))["measurements"] == [
        {"frame_id": 0, "faces": []},
        {"frame_id": 1, "faces": []},
    ]
    assert frames(shared, []) == [[]]


def test_a_face_keeps_its_id_and_gets_it_back(shared: Hume) -> None:
    ann, bob, cleo, tiny = person("Ann", 300), person("Bob", 200), person("Cleo", 250), person("tiny", 70)
    told = frames(shared, [bob], [ann, bob, tiny], [ann, bob, cleo], [tiny], [cleo, bob], [])
    assert [ids(faces) for faces in told] == [[0], [1, 0, None], [1, 2, None], [3], [2, 0], []]


def test_ids_start_again_in_every_request_unless_a_state_is_passed(shared: Hume) -> None:
    wants = {"face": {"return_face_state": True}}
    first = measured(send_images(shared, [showing(PICTURE, [person("Ann"), person("Bob", 90)])], wants))
    state = first["face_state"]
    assert isinstance(state, str) and "Ann" not in state
    again = measured(send_images(shared, [showing(PICTURE, [person("Bob"), person("Cleo", 90)])]))
    assert "face_state" not in again and ids(again["measurements"][0]["faces"]) == [0, 1]
    chained = measured(
        send_images(shared, [showing(PICTURE, [person("Bob"), person("Cleo", 90)])], {**wants, "face_state": state})
    )
    assert ids(chained["measurements"][0]["faces"]) == [1, 2]
    assert chained["face_state"] != state
    only_ids = [{**face, "face_id": None} for face in again["measurements"][0]["faces"]]
    assert only_ids == [{**face, "face_id": None} for face in chained["measurements"][0]["faces"]]


def test_a_state_that_is_old_altered_or_foreign_is_ignored_silently(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()
    wants = {"face": {"return_face_state": True}}

    def seen(state: str | None, who: Hume = hume) -> list[int | None]:
        config = {} if state is None else {"face_state": state}
        return ids(frames(who, [person("Bob"), person("Cleo", 90)], config=config)[0])

    state = measured(send_images(hume, [showing(PICTURE, [person("Ann"), person("Bob", 90)])], wants))["face_state"]
    assert seen(state) == [1, 2]
    raw = bytearray(base64.urlsafe_b64decode(state))
    raw[-1] ^= 1
    flipped = base64.urlsafe_b64encode(raw).decode()
    for bad in (flipped, state[:-4], state + "A", state[1:], "", "x" * 40, "ü", state.swapcase(), " " + state):
        assert seen(bad) == [0, 1], bad
    _, foreign = sandbox_with(seed=8)
    assert seen(state, foreign) == [0, 1]
    sandbox.advance_clock(24 * 3600 - 60)
    assert seen(state) == [1, 2]
    sandbox.advance_clock(61)
    assert seen(state) == [0, 1]


def test_a_state_survives_a_restart(tmp_path: Any) -> None:
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        body = measured(send_images(hume, [showing(PICTURE, [person("Ann")])], {"face": {"return_face_state": True}}))
    with Sandbox(state=tmp_path) as sandbox, Hume(sandbox.url) as hume:
        assert ids(frames(hume, [person("Bob")], config={"face_state": body["face_state"]})[0]) == [1]


def test_a_request_is_the_same_cut_into_several(shared: Hume) -> None:
    film = [image("mjpeg", width=640, height=360, seed=n // 4) for n in range(12)]
    wants = {"face": {"return_face_state": True}}
    whole = measured(send_images(shared, film, wants))
    parts, state = [], None
    for start in range(0, 12, 5):
        config = wants if state is None else {**wants, "face_state": state}
        body = measured(send_images(shared, film[start : start + 5], config))
        parts += [{**frame, "frame_id": frame["frame_id"] + start} for frame in body["measurements"]]
        state = body["face_state"]
    assert parts == whole["measurements"]
    assert any(frame["faces"] for frame in parts)


def test_made_up_faces_look_like_faces(shared: Hume) -> None:
    counts = set()
    for seed in range(12):
        width, height = ((1280, 720), (640, 480), (720, 1280))[seed % 3]
        (frame,) = measured(send_images(shared, [jpeg(width, height, seed)], {"face": {"threshold": 0.5}}))["measurements"]
        counts.add(len(frame["faces"]))
        for face in frame["faces"]:
            x0, y0, x1, y1 = face["bbox"]
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
            assert 0.5 <= face["confidence"] <= 1 and min(x1 - x0, y1 - y0) >= 60
    assert max(counts) > 2 and min(counts) > 0


def test_how_many_are_measured_is_the_accounts(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(expression_faces_measured=3)
    assert ids(frames(hume, [person(str(n), 100 + n) for n in range(5)])[0]) == [0, 1, 2, None, None]


faces_found = st.lists(
    st.builds(
        lambda name, x, size, confidence: Face(name, (x, 0.0, x + size, size), confidence, None),  # type: ignore[arg-type]
        st.text("abc", max_size=2),
        st.floats(0, 100),
        st.floats(1, 200),
        st.floats(0, 1),
    ),
    max_size=50,
)


@given(faces_found, st.floats(0, 1), st.integers(1, 100), st.integers(0, 5))
def test_faces_are_chosen_by_the_rules(found: list[Face], threshold: float, min_size: int, most: int) -> None:
    chosen, others = choose_faces(found, threshold, min_size, most)
    listed = [*chosen, *others]
    fitting = [face for face in found if face.confidence >= threshold and face.shorter_side >= min_size]
    assert len(listed) == min(len(fitting), 32) and len(chosen) == min(len(fitting), most)
    assert all(face in fitting for face in listed)
    areas = [face.area for face in chosen]
    assert areas == sorted(areas, reverse=True)
    assert all(face.area <= areas[-1] for face in fitting if face not in chosen) if chosen else True
    confidences = [face.confidence for face in others]
    assert confidences == sorted(confidences, reverse=True)


@given(st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=12), st.integers(0, 11))
def test_the_tracker_remembers_thirty_two_also_through_a_state(images: list[list[int]], cut: int) -> None:
    def follow(parts: list[list[list[int]]]) -> list[int]:
        tracker, given_ids = Tracker(), []
        for part in parts:
            given_ids += [tracker.id_of(str(face)) for faces in part for face in faces]
            tracker = resume(tracker.state("us", 5, 7), "us", 5, 1000, 7)
        return given_ids

    together = follow([images])
    assert together == follow([images[:cut], images[cut:]])
    expected, recent, next_id = [], dict[int, int](), 0
    for face in (face for faces in images for face in faces):
        face_id = recent.pop(face, None)
        if face_id is None:
            face_id, next_id = next_id, next_id + 1
        recent[face] = face_id
        recent = dict(list(recent.items())[-32:])
        expected.append(face_id)
    assert together == expected


@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_altered_state_is_taken(change: bytes, at: int) -> None:
    tracker = Tracker()
    for name in "abc":
        tracker.id_of(name)
    good = tracker.state("us", 0, 7)
    altered = good[:at] + base64.b64encode(change).decode() + good[at + 4 :]
    assert (resume(altered, "us", 0, 10, 7).id_of("c") == 2) == (altered == good)
    assert resume(good, "us", 10, 10, 7).id_of("c") == 2
    for organization, now_ms, seed in (("them", 0, 7), ("us", 11, 7), ("us", 0, 8)):
        assert resume(good, organization, now_ms, 10, seed).id_of("c") == 0


@pytest.mark.parametrize("comment", ["faces: nothing", 'faces: [{"who": 1}]', "faces:"])
def test_a_comment_that_cannot_be_read_is_told(shared: Hume, comment: str) -> None:
    answer = send_images(shared, [with_segment(PICTURE, 0xFE, comment.encode())])
    assert refusal(answer) == (400, "image_decode_failed") and "'faces:'" in answer.json()["message"]
