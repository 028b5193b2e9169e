"""Short ways to say what tests of v1 say often, over the plain client; and media for them."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
from made_media import Samples, image

AUDIO = "/v1/expression/audio/file"
VIDEO = "/v1/expression/video/file"
RUNS = "/v1/expression/run"


def send_audio(hume: httpx.Client, file: bytes, config: Any = None) -> httpx.Response:
    """Upload sound; ``config`` is JSON text, or what becomes JSON."""
    return hume.post(AUDIO, files=[*_config(config), ("file", ("a.wav", file, "audio/wav"))])


def send_images(hume: httpx.Client, images: list[bytes], config: Any = None) -> httpx.Response:
    """Upload images."""
    files = [("file", (f"{number}.jpg", data, "image/jpeg")) for number, data in enumerate(images)]
    return hume.post(VIDEO, files=[*_config(config), *files])


def _config(config: Any) -> list[Any]:
    if config is None:
        return []
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    return [("config", (None, text, "application/json"))]


def measured(answer: httpx.Response) -> dict[str, Any]:
    """The body of an upload that was measured."""
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error, whose body must be whole."""
    body = answer.json()
    assert set(body) == {"type", "code", "message", "request_id"}, body
    assert body["type"] == "error" and body["message"]
    assert len(body["request_id"]) == 32 and int(body["request_id"], 16) >= 0
    return answer.status_code, body["code"]


def runs(hume: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """The runs on one page."""
    return hume.get(RUNS, params=query).raise_for_status().json()["runs"]  # type: ignore[no-any-return]


def wave(
    data: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate_hz: int = 16_000,
    bits: int = 16,
    before: bytes = b"",
    data_bytes: int | None = None,
    riff_bytes: int | None = None,
) -> bytes:
    """A WAV file whose header says whatever a test wants it to."""
    block = channels * bits // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate_hz, rate_hz * block, block, bits)
    chunk = struct.pack("<4sI", b"data", len(data) if data_bytes is None else data_bytes) + data
    body = b"WAVE" + form + before + chunk
    return struct.pack("<4sI", b"RIFF", len(body) if riff_bytes is None else riff_bytes) + body


def pcm(*pieces: Samples) -> bytes:
    return b"".join(piece.tobytes() for piece in pieces)


def jpeg(width: int = 320, height: int = 240, seed: int = 0) -> bytes:
    """A colourful picture as JPEG."""
    return image("mjpeg", width=width, height=height, seed=seed)


def with_segment(picture: bytes, marker: int, payload: bytes) -> bytes:
    """A JPEG with one more segment at its start."""
    return picture[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + picture[2:]


def claiming(picture: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    at = picture.index(b"\xff\xc0") + 5
    return picture[:at] + struct.pack(">HH", height, width) + picture[at + 4 :]


def showing(picture: bytes, faces: list[dict[str, Any]]) -> bytes:
    """A JPEG in which exactly these faces are found: ``person``, ``box`` and maybe ``confidence`` of each."""
    return with_segment(picture, 0xFE, b"faces:" + json.dumps(faces).encode())
