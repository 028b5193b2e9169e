"""What an upload may be: the form, the config, the sound, the images; and the code of each refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from expression_client import (
    AUDIO,
    RUNS,
    VIDEO,
    claiming,
    jpeg,
    measured,
    pcm,
    refusal,
    runs,
    send_audio,
    send_images,
    wave,
    with_segment,
)
from hume_client import Hume
from hypothesis import given
from hypothesis import strategies as st
from made_media import image, mp3, silence, voice, wav

from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.expression.configs import AudioConfig, VideoConfig, read_audio_config, read_video_config
from humeanalytics.sandbox.expression.pcm import read_samples
from humeanalytics.sandbox.expression.refusals import Refused

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
SOUND = pcm(silence(0.3), voice(0.4), silence(0.3))
DECODE = (400, "audio_decode_failed")
UNSUPPORTED = (415, "unsupported_media_type")


# ------------------------------------------------------------------------------------------------------------- the sound
@pytest.mark.parametrize(
    ("file", "answer"),
    [
        (b"", DECODE),
        (SOUND + b"\x00", DECODE),
        (b"\x00", DECODE),
        (mp3(voice(0.3), 16_000), UNSUPPORTED),
        (b"ID3\x04\x00" + SOUND, UNSUPPORTED),
        (b"\xff\xfb" + SOUND, UNSUPPORTED),
        (b"\xff\xff" + SOUND, UNSUPPORTED),  # one ordinary sample, -1
        (b"fLaC\x00\x00" + SOUND, UNSUPPORTED),
        (b"OggS\x00\x02" + SOUND, UNSUPPORTED),
        (b"\x00\x00\x00\x20ftypM4A " + SOUND, UNSUPPORTED),
        (b"\x00\x00\x00\x20ftypisom" + SOUND, UNSUPPORTED),
        (b"RIFF\x10\x00\x00\x00AVI " + SOUND, UNSUPPORTED),
        (b"RIFF", DECODE),
        (b"RIFF\x04\x00\x00\x00WAVE", DECODE),
        (wave(SOUND, rate_hz=44_100), DECODE),
        (wave(SOUND, rate_hz=8_000), DECODE),
        (wave(SOUND, channels=2), DECODE),
        (wave(SOUND, bits=8), DECODE),
        (wave(SOUND, bits=32), DECODE),
        (wave(SOUND, tag=3, bits=32), DECODE),
        (wave(SOUND, tag=0xFFFE), DECODE),
        (wave(SOUND)[:-2], DECODE),
        (wave(SOUND)[:40], DECODE),
        (wave(SOUND, data_bytes=0xFFFFFFFF), DECODE),
        (wave(SOUND, riff_bytes=0xFFFFFFFF, data_bytes=0xFFFFFFFF), DECODE),  # what a pipe writes
        (wave(SOUND, riff_bytes=100), DECODE),
        (wave(b""), DECODE),
        (wave(SOUND + b"\x00"), DECODE),
    ],
)
def test_sound_that_is_refused(shared: Hume, file: bytes, answer: tuple[int, str]) -> None:
    assert refusal(send_audio(shared, file)) == answer


@pytest.mark.parametrize(
    "file",
    [
        SOUND,
        wave(SOUND),
        wave(SOUND, before=b"LIST\x04\x00\x00\x00INFO"),
        wave(SOUND, before=b"odd \x03\x00\x00\x00abc\x00"),
        wave(SOUND) + b"whatever comes after",
    ],
)
def test_sound_that_is_taken(shared: Hume, file: bytes) -> None:
    body = measured(send_audio(shared, file))
    assert body["received"]["audio_duration_ms"] == 1000
    (utterance,) = body["utterances"]
    assert abs(utterance["audio_start_ms"] - 300) <= 2 and abs(utterance["audio_end_ms"] - 700) <= 2


@pytest.mark.parametrize(
    "start",
    [
        b"FORM\x00\x01\x00\x00AIFFCOMM",
        b"\x1a\x45\xdf\xa3matroska",
        b"#!AMR\n",
        b"\xff\xf1\x50\x80",
        b"RIFX\x00\x00",
        b"Dear",
        b"RF64",
    ],
)
def test_anything_else_is_measured_as_samples_and_billed(shared: Hume, start: bytes) -> None:
    file = start + b"\x00" * (32_000 - len(start))
    body = measured(send_audio(shared, file))
    assert body["received"] == {"audio_duration_ms": 1000}
    assert shared.get(f"{RUNS}/{body['run_id']}").json()["metered_seconds"] == 10
    (submission,) = [one for one in shared.get("/sandbox/submissions").json() if one["job_id"] == body["run_id"]]
    assert submission["fingerprint"] == hashlib.sha256(file).hexdigest()


def test_what_it_is_said_to_be_does_not_matter_unless_asked_for(sandbox_with: SandboxWith) -> None:
    minus_one = b"\xff\xff" * 1600
    as_stream: Any = {"file": ("x.pcm", minus_one, "application/octet-stream")}
    _, hume = sandbox_with()
    for kind in ("audio/mpeg", "text/plain", "image/jpeg"):
        assert hume.post(AUDIO, files={"file": ("x", SOUND, kind)}).status_code == 200
        assert refusal(hume.post(AUDIO, files=as_stream)) == UNSUPPORTED
    _, trusting = sandbox_with(expression_by_content=False)
    assert measured(trusting.post(AUDIO, files=as_stream))["received"] == {"audio_duration_ms": 100}


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=80).map(lambda tail: wave(SOUND[:600])[: 60 + len(tail)] + tail)))
def test_any_bytes_are_samples_or_refused(data: bytes) -> None:
    try:
        samples = read_samples(data)
    except Refused as refused:
        assert refused.code in ("audio_decode_failed", "unsupported_media_type")
    else:
        assert samples.dtype == np.int16 and 0 < samples.nbytes <= len(data)
        if data[:4] != b"RIFF":
            assert samples.tobytes() == data


@given(st.integers(0, 43), st.integers(0, 255))
def test_a_wave_header_with_one_wrong_byte(at: int, value: int) -> None:
    good = wave(SOUND)
    data = good[:at] + bytes([value]) + good[at + 1 :]
    try:
        samples = read_samples(data)
    except Refused:
        return
    # Taken all the same: it was no change, or the bytes are no WAV file any more, or fewer samples are promised.
    assert data == good or data[:4] != b"RIFF" or samples.tobytes() == SOUND[: samples.nbytes]


# -------------------------------------------------------------------------------------------------------------- the form
def parts(*given: tuple[str, bytes, str], closed: bool = True) -> bytes:
    body = b"".join(
        b"--B\r\n" + f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"
        for name, data, more in given
    )
    return body + (b"--B--\r\n" if closed else b"")


FILE = ("file", SOUND, '; filename="a.wav"')
CONFIG = ("config", b"{}", "")


@pytest.mark.parametrize(
    "body",
    [
        parts(FILE),
        parts(("file", SOUND, "")),  # no name of a file
        parts(CONFIG, FILE),
        parts(FILE, CONFIG),  # in either order
        parts(FILE) + b"epilogue",
    ],
)
def test_forms_that_are_taken(shared: Hume, body: bytes) -> None:
    measured(shared.post(AUDIO, content=body, headers={"Content-Type": "multipart/form-data; boundary=B"}))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (parts(FILE, FILE), "multipart/form-data; boundary=B"),
        (parts(FILE, CONFIG, CONFIG), "multipart/form-data; boundary=B"),
        (parts(CONFIG), "multipart/form-data; boundary=B"),
        (parts(FILE, ("other", b"1", "")), "multipart/form-data; boundary=B"),
        (parts(FILE, closed=False), "multipart/form-data; boundary=B"),
        (parts(FILE)[:-9], "multipart/form-data; boundary=B"),
        (parts(), "multipart/form-data; boundary=B"),
        (b"", "multipart/form-data; boundary=B"),
        (parts(FILE), "multipart/form-data; boundary=C"),
        (parts(FILE), "multipart/form-data"),
        (b"\xff" * 1000, "multipart/form-data; boundary=B"),
        (b"{}", "application/json"),
        (SOUND, "audio/wav"),
    ],
)
def test_forms_that_are_refused(shared: Hume, body: bytes, kind: str) -> None:
    assert refusal(shared.post(AUDIO, content=body, headers={"Content-Type": kind})) == (400, "message_invalid")


def test_many_images_are_one_form_but_none_is_not(shared: Hume) -> None:
    assert measured(send_images(shared, [jpeg()] * 3))["received"] == {"frames": 3}
    config: Any = {"config": (None, "{}", "application/json")}
    assert refusal(shared.post(VIDEO, files=config)) == (400, "message_invalid")


@pytest.mark.parametrize(("path", "code"), [(AUDIO, "audio_too_long"), (VIDEO, "image_too_large")])
def test_the_whole_body_has_a_limit(sandbox_with: SandboxWith, path: str, code: str) -> None:
    fits, over = (parts(("file", b"\x00" * (2000 + more), "")) for more in (0, 1))
    _, hume = sandbox_with(expression_max_body_bytes=len(fits))
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = hume.post(path, content=fits, headers=headers)
    assert answer.status_code == (200 if path == AUDIO else 415)
    assert refusal(hume.post(path, content=over, headers=headers)) == (413, code)
    assert refusal(hume.post(path, content=(piece for piece in (over, b"more")), headers=headers)) == (413, code)
    assert [run["bytes_received"] for run in runs(hume)] == [2000]


def test_the_published_limit_and_none(sandbox_with: SandboxWith) -> None:
    long = wav(np.zeros(782 * 16_000, np.int16))
    _, hume = sandbox_with()
    assert refusal(send_audio(hume, long)) == (413, "audio_too_long")
    fits = wav(np.zeros(780 * 16_000, np.int16))
    assert measured(send_audio(hume, fits))["received"] == {"audio_duration_ms": 780_000}
    _, lifted = sandbox_with(expression_max_body_bytes=None)
    assert measured(send_audio(lifted, long))["received"] == {"audio_duration_ms": 782_000}
    _, other = sandbox_with(expression_max_body_bytes=3000, expression_large_images_code="audio_too_long")
    assert refusal(send_images(other, [jpeg()])) == (413, "audio_too_long")


# ------------------------------------------------------------------------------------------------------------ the config
@pytest.mark.parametrize(
    "config",
    [
        {"measurement_timer_ms": 2999},
        {"measurement_timer_ms": 10_001},
        {"measurement_timer_ms": 3000.0},
        {"measurement_timer_ms": "3000"},
        {"measurement_timer_ms": True},
        {"measurement_timer_ms": [3000]},
        {"measurement_timer_s": 3},
        {"face": {}},
        {"measurement_timer_ms": 3000, "more": None},
        [],
        "text",
        3000,
        b"null",
        b"",
        b"{",
        b"{} {}",
        b'{"measurement_timer_ms": 3000, "measurement_timer_ms": 3000}',
        b'{"measurement_timer_ms": NaN}',
        b"\xff",
        b'\xef\xbb\xbf{"measurement_timer_ms": 3000}',
        '{"measurement_timer_ms": 3000}'.encode("utf-16"),
        b'{"\\ud800": 1}',
        b"[" * 100_000,
    ],
)
def test_audio_configs_that_are_refused(shared: Hume, config: Any) -> None:
    assert refusal(send_audio(shared, SOUND, config)) == (400, "config_invalid")


@pytest.mark.parametrize(
    "config",
    [
        {"face": {"threshold": 1.01}},
        {"face": {"threshold": -0.01}},
        {"face": {"threshold": "0.5"}},
        {"face": {"threshold": False}},
        {"face": {"min_size": 0}},
        {"face": {"min_size": 60.0}},
        {"face": {"min_size": 2**32}},
        {"face": {"return_face_state": 1}},
        {"face": {"face_state": "inside"}},
        {"face": []},
        {"face_state": 5},
        {"face_state": b"\\ud800".decode()} | {"return_face_state": True},
        b'{"face_state": "\\ud800"}',
        {"measurement_timer_ms": 3000},
    ],
)
def test_video_configs_that_are_refused(shared: Hume, config: Any) -> None:
    assert refusal(send_images(shared, [jpeg()], config)) == (400, "config_invalid")


def test_the_message_names_the_field(shared: Hume) -> None:
    message = send_audio(shared, SOUND, {"timer": 3}).json()["message"]
    assert "unknown field `timer`, expected `measurement_timer_ms`" in message
    assert "2999" in send_audio(shared, SOUND, {"measurement_timer_ms": 2999}).json()["message"]


def test_configs_that_are_taken(shared: Hume) -> None:
    for config in ({}, {"measurement_timer_ms": 3000}, {"measurement_timer_ms": 10_000}, {"measurement_timer_ms": None}):
        measured(send_audio(shared, SOUND, config))
    for face in ({}, {"face": {}}, {"face": {"threshold": 0, "min_size": 1}}, {"face": None}, {"face": {"threshold": 1}}):
        measured(send_images(shared, [jpeg()], face))


def test_nulls_and_types_of_parts_can_be_refused(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(expression_nulls=False, expression_typed_config=True)
    assert refusal(send_audio(hume, SOUND, {"measurement_timer_ms": None})) == (400, "config_invalid")
    untyped: Any = {"config": (None, "{}"), "file": ("a", SOUND)}
    assert refusal(hume.post(AUDIO, files=untyped)) == (400, "config_invalid")
    measured(send_audio(hume, SOUND, {}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("threshold"), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["measurement_timer_ms", "face", "face_state"]), json_values) | json_values)
def test_any_config_is_read_or_refused(value: Any) -> None:
    text = json.dumps(value).encode()
    for read, kind in ((read_audio_config, AudioConfig), (read_video_config, VideoConfig)):
        try:
            config = read(text)
        except Refused as refused:
            assert refused.code == "config_invalid"
        else:
            assert isinstance(config, kind)
            if isinstance(config, AudioConfig):
                assert 3000 <= config.measurement_timer_ms <= 10_000
            else:
                assert 0 <= config.threshold <= 1 and config.min_size >= 1


# ------------------------------------------------------------------------------------------------------------ the images
def damaged(picture: bytes) -> bytes:
    middle = len(picture) // 2
    return picture[:middle] + b"\x00" * 300 + picture[middle + 300 :]


GOOD, SMALL = jpeg(640, 480), jpeg(16, 16)


@pytest.fixture(scope="module")
def own() -> Iterator[tuple[Sandbox, Hume]]:
    """A sandbox in which nothing is ever measured."""
    with Sandbox() as sandbox, Hume(sandbox.url) as hume:
        yield sandbox, hume


@pytest.mark.parametrize(
    ("bad", "answer"),
    [
        (b"", UNSUPPORTED),
        (image("png"), UNSUPPORTED),
        (b"\x00\x00\x00\x18ftypheic", UNSUPPORTED),
        (b"GIF89a" + b"\x00" * 50, UNSUPPORTED),
        (b"\xff\xd8", UNSUPPORTED),
        (GOOD + b"\x00" * (2_000_001 - len(GOOD)), (413, "image_too_large")),
        (claiming(GOOD, 3841, 2160), (413, "image_too_large")),
        (claiming(GOOD, 2881, 2880), (413, "image_too_large")),
        (claiming(GOOD, 65_535, 127), (413, "image_too_large")),
        (claiming(GOOD, 65_535, 126), (400, "image_decode_failed")),
        (GOOD[:200], (400, "image_decode_failed")),
        (GOOD[: len(GOOD) // 2], (400, "image_decode_failed")),
        (GOOD[:-2], (400, "image_decode_failed")),
        (damaged(GOOD), (400, "image_decode_failed")),
        (b"\xff\xd8\xff\xd9", (400, "image_decode_failed")),
        (b"\xff\xd8\xff" + b"\xff" * 500, (400, "image_decode_failed")),
    ],
)
def test_one_bad_image_fails_all(own: tuple[Sandbox, Hume], bad: bytes, answer: tuple[int, str]) -> None:
    sandbox, hume = own
    before = len(runs(hume, page_size=200))
    for place in (0, 2):
        images = [SMALL, SMALL]
        images.insert(place, bad)
        refused = send_images(hume, images)
        assert refusal(refused) == answer
        assert f"image {place}" in refused.json()["message"]
    # Both had reached the checks, so there are runs, which cost nothing.
    told = runs(hume, page_size=200)
    assert [(run["status"], run["metered_seconds"]) for run in told[:2]] == [("errored", 0), ("errored", 0)]
    assert len(told) == before + 2 and sandbox.submissions() == []


def test_images_up_to_the_limits_are_taken(shared: Hume) -> None:
    largest = jpeg(3840, 2160)
    exactly = GOOD + b"\x00" * (2_000_000 - len(GOOD))
    assert measured(send_images(shared, [largest, exactly, jpeg(8, 8)]))["received"] == {"frames": 3}


def test_limits_of_images_can_be_lifted(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(expression_max_image_pixels=200 * 200, expression_max_image_bytes=None)
    assert refusal(send_images(hume, [jpeg(201, 200)])) == (413, "image_too_large")
    measured(send_images(hume, [jpeg(200, 200), jpeg(200, 200) + b"\x00" * 2_000_000]))
    _, lifted = sandbox_with(expression_max_image_pixels=None)
    assert refusal(send_images(lifted, [claiming(GOOD, 65_535, 127)])) == (400, "image_decode_failed")


def test_every_image_is_checked_before_any_is_decoded(shared: Hume) -> None:
    assert refusal(send_images(shared, [GOOD[:-2], GOOD, image("png")])) == UNSUPPORTED


def test_the_size_is_that_of_the_pixels_as_stored(shared: Hume) -> None:
    turned = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    plain, rotated = (
        measured(send_images(shared, [picture]))["measurements"][0] for picture in (GOOD, with_segment(GOOD, 0xE1, turned))
    )
    assert plain == rotated
    assert plain["faces"]


# ------------------------------------------------------------------------------------------------- before it is a run
def test_what_is_refused_before_measurement_is_no_run(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with(expression_max_body_bytes=100_000)
    for answer in (
        send_audio(hume, b""),
        send_audio(hume, b"OggS"),
        send_audio(hume, SOUND, {"x": 1}),
        send_audio(hume, b"\x00" * 200_000),
        send_images(hume, [jpeg()], {"x": 1}),
        hume.post(VIDEO, content=b""),
    ):
        assert answer.status_code >= 400
    assert runs(hume) == [] and sandbox.submissions() == []


def test_an_upload_that_breaks_off_is_no_run(sandbox_with: SandboxWith) -> None:
    sandbox, hume = sandbox_with()

    def half() -> Any:
        yield parts(FILE)[:1000]
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        hume.post(AUDIO, content=half(), headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert hume.get(RUNS).json() == {"runs": []} and sandbox.submissions() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", AUDIO), ("PUT", VIDEO), ("DELETE", RUNS), ("POST", RUNS), ("DELETE", f"{RUNS}/x"), ("POST", f"{RUNS}/x/events")],
)
def test_methods_that_are_not_served(shared: Hume, method: str, path: str) -> None:
    assert refusal(shared.request(method, path)) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "path", ["/v1/expression", "/v1/expression/audio", f"{RUNS}/", "/v1/other", "/v1/expression/audio/realtime"]
)
def test_paths_that_are_not_served_meet_the_gateway(shared: Hume, path: str) -> None:
    answer: httpx.Response = shared.get(path)
    assert answer.status_code == 404 and set(answer.json()) == {"message"}
