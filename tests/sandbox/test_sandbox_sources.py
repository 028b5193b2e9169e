"""Where recordings come from: archives of every kind, URLs of this machine, and what goes wrong with them."""

from __future__ import annotations

import functools
import http.server
import io
import random
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hume_client import Hume, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from made_media import film, image, silence, tar_of, voice, wav, zip_of

from humeanalytics.sandbox.batch.archives import BrokenArchive, opened
from humeanalytics.sandbox.batch.downloads import is_loopback
from humeanalytics.sandbox.batch.requests import read_request
from humeanalytics.sandbox.batch.scoring import FileError, score_file
from humeanalytics.sandbox.batch.task import Task
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions

SandboxWith = Callable[..., tuple[Sandbox, Hume]]
SPEECH = wav(voice(1.0), silence(0.3))
FILES = {"a/talk.wav": SPEECH, "a/talk.txt": b"Good evening, London.", "b/face.png": image(), "b/.DS_Store": b"\x00\x00\x01Bud1"}
ARCHIVES = {
    "zip": zip_of(FILES),
    "gz": tar_of(FILES, "gz"),
    "bz2": tar_of(FILES, "bz2"),
    "xz": tar_of(FILES, "xz"),
}


# ---------------------------------------------------------------------------------------------------------------- archives
@pytest.mark.parametrize("kind", ARCHIVES)
def test_archives(shared: Hume, kind: str) -> None:
    models = {"language": {"granularity": "sentence"}, "face": {}}
    job_id = shared.upload({"no telling name": ARCHIVES[kind]}, models=models)
    (source,) = shared.predictions(job_id)
    found = {prediction["file"]: prediction for prediction in source["results"]["predictions"]}
    assert {name: p["file_type"] for name, p in found.items()} == {
        "a/talk.wav": "audio",
        "a/talk.txt": "text",
        "b/face.png": "image",
    }
    assert [row["text"] for row in rows(found["a/talk.wav"], "language")] == ["Good evening, London."]
    assert source["results"]["errors"] == [{"file": "b/.DS_Store", "model": None, "message": "unable to determine file type"}]
    state = shared.job(job_id)["state"]
    assert (state["num_predictions"], state["num_errors"]) == (3, 1)


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_broken_archives_fail_as_a_source_or_file_by_file(shared: Hume, kind: str, share: float) -> None:
    content = ARCHIVES[kind]
    job_id = shared.upload({"broken": content[: int(len(content) * share)], "whole.txt": b"Hello."}, models={"language": {}})
    broken, whole = shared.predictions(job_id)
    assert whole["results"]["errors"] == []
    if broken["results"] is None:
        assert broken["error"].startswith("unable to extract archive")
    else:
        assert any(error["message"].startswith("unable to extract file") for error in broken["results"]["errors"])
    assert shared.job(job_id)["state"]["num_errors"] >= 1


def test_damage_inside_an_archive_hits_one_file(shared: Hume) -> None:
    noise = random.Random(1).randbytes(500).hex().encode()
    content = bytearray(zip_of({"one.txt": noise, "two.txt": b"Second text."}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.getinfo("one.txt").header_offset
    content[start + 40 : start + 60] = b"\xff" * 20
    (source,) = shared.predictions(shared.upload({"z.zip": bytes(content)}, models={"language": {}}))
    assert [p["file"] for p in source["results"]["predictions"]] == ["two.txt"]
    assert [e["file"] for e in source["results"]["errors"]] == ["one.txt"]


def test_limits_of_archives(sandbox_with: SandboxWith) -> None:
    _, hume = sandbox_with(max_archive_members=2, max_url_bytes=10_000)
    many = zip_of({f"{i}.txt": b"Hi." for i in range(3)})
    large = zip_of({"bomb.txt": b"a " * 6000})
    first, second = hume.predictions(hume.upload({"many.zip": many, "large.zip": large}, models={"language": {}}))
    assert (first["results"], first["error"]) == (None, "archive holds 3 files; the maximum is 2")
    assert second["error"] == "bomb.txt in the archive exceeds the maximum of 10000 bytes"


def test_an_empty_archive_has_no_predictions(shared: Hume) -> None:
    (source,) = shared.predictions(shared.upload({"empty.zip": zip_of({})}, models={"language": {}}))
    assert source["results"] == {"predictions": [], "errors": []}


@given(
    st.sampled_from(sorted(ARCHIVES)),
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=9)), max_size=5),
    st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_done_to_an_archive_it_can_be_read_or_is_broken(
    kind: str, damage: list[tuple[int, bytes]], share: float
) -> None:
    content = bytearray(ARCHIVES[kind])
    for at, bytes_ in damage:
        at %= len(content)
        content[at : at + len(bytes_)] = bytes_
    file = io.BytesIO(bytes(content[: int(len(content) * share) + 1]))
    with suppress(BrokenArchive), opened(file, kind, 100, 10**9) as members:
        for member in members:
            with suppress(BrokenArchive), member.content() as unpacked:
                unpacked.read()


MEDIA = {"wav": SPEECH, "png": image(), "film": film(0.5, sound=voice(0.5)), "text": b"Hello there. \xc3\xa9"}
ALL = Task(7, read_request({}, SandboxOptions()).models, None, max_duration_s=10)


@given(
    st.sampled_from(sorted(MEDIA)), st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=6)), max_size=8), st.floats(0, 1)
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_done_to_a_file_it_is_scored_or_refused(kind: str, damage: list[tuple[int, bytes]], share: float) -> None:
    content = bytearray(MEDIA[kind])
    for at, bytes_ in damage:
        at %= len(content)
        content[at : at + len(bytes_)] = bytes_
    with suppress(FileError):
        score_file(ALL, "file", io.BytesIO(bytes(content[: int(len(content) * share) + 1])), None, lambda: None)


# -------------------------------------------------------------------------------------------------------------------- URLs
class _Files(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("/to/")[2])
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server on this machine."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "talk 1.wav").write_bytes(SPEECH)
    (folder / "faces.zip").write_bytes(ARCHIVES["zip"])
    (folder / "view").write_text("<html><body>Sign in to see this file</body></html>")
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def by_url(hume: Hume, *urls: str, **models: Any) -> list[dict[str, Any]]:
    return hume.predictions(hume.start(urls=list(urls), models=models or {"prosody": {}, "face": {}}))


def test_urls(shared: Hume, web: str) -> None:
    urls = [f"{web}/talk%201.wav?Signature=abc&id=7", f"{web}/faces.zip"]
    talk, faces = by_url(shared, *urls)
    assert [talk["source"], faces["source"]] == [{"type": "url", "url": url} for url in urls]
    assert [p["file"] for p in talk["results"]["predictions"]] == ["talk%201.wav"]
    assert {p["file"] for p in faces["results"]["predictions"]} == {"a/talk.wav", "a/talk.txt", "b/face.png"}


def test_artifacts_of_urls(shared: Hume, web: str) -> None:
    archive = shared.artifacts(shared.start(urls=[f"{web}/talk%201.wav?x=1", f"{web}/faces.zip"], models={"prosody": {}}))
    assert archive.namelist() == [
        "url-0-talk%201.wav/csv/talk%201.wav/prosody.csv",
        "url-1-faces.zip/csv/a/talk.wav/prosody.csv",
    ]


def test_a_page_is_a_text_not_the_recording(shared: Hume, web: str) -> None:
    (page,) = by_url(shared, f"{web}/view")
    (prediction,) = page["results"]["predictions"]
    assert (prediction["file_type"], prediction["models"]) == ("text", {})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing.wav", "unable to download file: 404"),
        ("/to/https://example.com/a.wav", "unable to download file: the sandbox fetches from loopback addresses only"),
        ("/to//to//to//to//to//to//talk", "unable to download file: too many redirects"),
    ],
)
def test_urls_that_give_nothing(shared: Hume, web: str, path: str, message: str) -> None:
    bad, good = by_url(shared, web + path, f"{web}/to/{web}/talk%201.wav")
    assert bad["results"] is None
    assert bad["error"].startswith(message)
    assert good["results"]["errors"] == [] and "error" not in good


def test_nothing_is_fetched_from_elsewhere(shared: Hume) -> None:
    job_id = shared.start(urls=["https://example.com/a.wav", "http://127.0.0.1:9/nobody.wav"], models={"prosody": {}})
    elsewhere, nobody = shared.predictions(job_id)
    assert elsewhere["error"] == "unable to download file: the sandbox fetches from loopback addresses only"
    assert nobody["error"].startswith("unable to download file:")
    state = shared.job(job_id)["state"]
    assert (state["status"], state["num_predictions"], state["num_errors"]) == ("COMPLETED", 0, 2)


def test_a_url_too_large(sandbox_with: SandboxWith, web: str) -> None:
    _, hume = sandbox_with(max_url_bytes=1000)
    (source,) = by_url(hume, f"{web}/talk%201.wav")
    assert (source["results"], source["error"]) == (None, "file size exceeds the maximum of 1000 bytes")


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost/a", True),
        ("http://127.8.9.10:80/a", True),
        ("http://[::1]:80/a", True),
        ("http://127.0.0.1.example.com/a", False),
        ("http://127.0.0.1@example.com/a", False),
        ("http://0.0.0.0/a", False),
        ("http://169.254.169.254/latest", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/a", False),
    ],
)
def test_what_counts_as_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here


def test_sources_of_every_kind_in_one_job(shared: Hume, web: str, tmp_path: Path) -> None:
    job_id = shared.upload(
        {"a.txt": b"From a file."}, urls=[f"{web}/talk%201.wav"], text=["From a string."], models={"language": {}}
    )
    assert [source["source"]["type"] for source in shared.predictions(job_id)] == ["url", "file", "text"]
