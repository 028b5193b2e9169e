"""The official Python SDK, unchanged, against the sandbox; every answer is parsed by its own types."""

from __future__ import annotations

import asyncio
import functools
import http.server
import io
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hume import AsyncHumeClient, HumeClient
from hume.core.api_error import ApiError
from hume.expression_measurement.batch import (
    Face,
    InferenceBaseRequest,
    Language,
    Models,
    Ner,
    Prosody,
    Transcription,
    UnionPredictResult,
)
from made_media import film, silence, voice, wav

from humeanalytics.sandbox.embedded import Sandbox

EVERYTHING = Models(
    face=Face(facs={}, descriptions={}, identify_faces=True, save_faces=True),
    burst={},
    prosody=Prosody(granularity="sentence", identify_speakers=True),
    language=Language(granularity="sentence", sentiment={}, toxicity={}),
    ner=Ner(),
    facemesh={},
)
SPEECH = wav(voice(1.2, 110), silence(0.5), voice(0.5, 220), silence(0.2))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> HumeClient:
    return HumeClient(api_key="any", base_url=sandbox.url)


@pytest.fixture
def folder_url(tmp_path: Path, sandbox: Sandbox) -> Iterator[str]:
    """A web server on this machine that has a recording and a film."""
    (tmp_path / "talk.wav").write_bytes(SPEECH)
    (tmp_path / "film.mkv").write_bytes(film(1.0, sound=voice(1.0)))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def wait(client: HumeClient, job_id: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        job = client.expression_measurement.batch.get_job_details(job_id)
        if job.state.status in ("COMPLETED", "FAILED"):
            return str(job.state.status)
        time.sleep(0.02)
    raise AssertionError(f"job {job_id} did not end")


def only(results: list[UnionPredictResult]) -> UnionPredictResult:
    (result,) = results
    assert result.error is None
    assert result.results is not None
    assert result.results.errors == []
    return result


def test_a_job_by_url(client: HumeClient, folder_url: str) -> None:
    batch = client.expression_measurement.batch
    url = f"{folder_url}/film.mkv?Signature=abc"
    job_id = batch.start_inference_job(urls=[url], models=EVERYTHING, transcription=Transcription(language="en"))
    assert wait(client, job_id) == "COMPLETED"
    details = batch.get_job_details(job_id)
    assert details.request.urls == [url]
    assert details.request.models is not None and details.request.models.face is not None
    assert details.request.models.face.fps_pred == 3
    assert details.state.num_predictions == 1
    result = only(batch.get_job_predictions(job_id))
    assert result.source.url == url
    (prediction,) = result.results.predictions
    assert prediction.file == "film.mkv"
    models = prediction.models
    assert models.face and models.prosody and models.language and models.burst and models.ner and models.facemesh
    face = models.face.grouped_predictions[0]
    assert face.id == "face_0"
    row = face.predictions[0]
    assert (len(row.emotions), len(row.facs or []), len(row.descriptions or [])) == (48, 36, 27)
    assert models.prosody.metadata is not None and models.prosody.metadata.detected_language == "en"


def test_a_job_by_text(client: HumeClient) -> None:
    batch = client.expression_measurement.batch
    texts = ["I am so happy to see Maria!", "No.", "Leave me alone, please."]
    job_id = batch.start_inference_job(text=texts, models=Models(language=Language(sentiment={}, toxicity={}), ner=Ner()))
    assert wait(client, job_id) == "COMPLETED"
    result = only(batch.get_job_predictions(job_id))
    assert result.source.type == "text"
    assert sorted(p.file for p in result.results.predictions) == ["1", "2", "3"]
    by_file = {p.file: p.models for p in result.results.predictions}
    language = by_file["1"].language
    assert language is not None and language.metadata is None
    words = language.grouped_predictions[0].predictions
    assert [texts[0][w.position.begin : w.position.end] for w in words] == texts[0].split()
    assert len(words[0].sentiment or []) == 9 and len(words[0].toxicity or []) == 6 and len(words[0].emotions) == 53
    ner = by_file["1"].ner
    assert ner is not None and ner.grouped_predictions[0].predictions[0].entity == "Maria"


@pytest.mark.parametrize("way", ["bytes", "open file", "named"])
def test_a_job_by_local_files(client: HumeClient, tmp_path: Path, way: str) -> None:
    batch = client.expression_measurement.batch
    path = tmp_path / "talk.wav"
    path.write_bytes(SPEECH)
    with path.open("rb") as opened:
        file = {"bytes": SPEECH, "open file": opened, "named": ("talk.wav", SPEECH, "audio/wav")}[way]
        request = InferenceBaseRequest(models=EVERYTHING, transcription=Transcription(identify_speakers=True))
        job_id = batch.start_inference_job_from_local_file(file=[file], json=request)
    assert wait(client, job_id) == "COMPLETED"
    details = batch.get_job_details(job_id)
    assert [f.md_5_sum for f in details.request.files] == [only(batch.get_job_predictions(job_id)).source.md_5_sum]
    assert details.request.models is not None and details.request.models.prosody is not None
    assert details.request.models.prosody.granularity == "sentence"
    prosody = only(batch.get_job_predictions(job_id)).results.predictions[0].models.prosody
    assert prosody is not None
    assert {group.id for group in prosody.grouped_predictions} == {"spk_0", "spk_1"}


def test_local_files_without_a_request_run_all_models(client: HumeClient) -> None:
    batch = client.expression_measurement.batch
    job_id = batch.start_inference_job_from_local_file(file=[("talk.wav", SPEECH), ("still.wav", wav(silence(1)))])
    assert wait(client, job_id) == "COMPLETED"
    talk, still = batch.get_job_predictions(job_id)
    assert talk.results is not None and still.results is not None
    assert talk.results.predictions[0].models.prosody.grouped_predictions  # type: ignore[union-attr]
    assert still.results.predictions[0].models.prosody.grouped_predictions == []  # type: ignore[union-attr]


def test_the_generated_form_of_an_upload(client: HumeClient) -> None:
    """Beneath its wrapper the SDK has a second way to write the ``json`` part: as a plain field of the form."""
    batch = client.expression_measurement.batch
    request = InferenceBaseRequest(models=Models(burst={}), text=["Beside the file."], notify=True)
    answer = batch.with_raw_response.start_inference_job_from_local_file(file=[("talk.wav", SPEECH)], json=request)
    details = batch.get_job_details(answer.data)
    assert details.request.notify is True and details.request.text == ["Beside the file."]
    assert details.request.models is not None and details.request.models.prosody is None
    assert len(details.request.files) == 1


def test_artifacts(client: HumeClient, tmp_path: Path) -> None:
    batch = client.expression_measurement.batch
    job_id = batch.start_inference_job_from_local_file(file=[("talk.wav", SPEECH)])
    assert wait(client, job_id) == "COMPLETED"
    archive = zipfile.ZipFile(io.BytesIO(b"".join(batch.get_job_artifacts(job_id))))
    assert "file-0-talk.wav/csv/talk.wav/prosody.csv" in archive.namelist()


def test_every_filter_of_the_list() -> None:
    with Sandbox() as sandbox:
        client = HumeClient(api_key="any", base_url=sandbox.url)
        batch = client.expression_measurement.batch
        done = [batch.start_inference_job(text=[f"Text {i}."]) for i in range(3)]
        for job_id in done:
            wait(client, job_id)
        sandbox.set_faults([{"stuck": "QUEUED", "times": 1}, {"stuck": "IN_PROGRESS", "times": 1, "after": 1}])
        queued = batch.start_inference_job(text=["Waits."])
        running = batch.start_inference_job(text=["Works."])
        deadline = time.monotonic() + 10
        while batch.get_job_details(running).state.status != "IN_PROGRESS":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ids = [job.job_id for job in batch.list_jobs()]
        assert ids == [running, queued, *reversed(done)]
        assert [job.job_id for job in batch.list_jobs(limit=2)] == [running, queued]
        assert [job.job_id for job in batch.list_jobs(direction="asc")] == [*done, queued, running]
        assert [job.job_id for job in batch.list_jobs(status="QUEUED")] == [queued]
        both = batch.list_jobs(status=["QUEUED", "IN_PROGRESS"], direction="asc")
        assert [job.job_id for job in both] == [queued, running]
        created = batch.get_job_details(done[1]).state.created_timestamp_ms
        before = batch.list_jobs(when="created_before", timestamp_ms=created, direction="asc")
        after = batch.list_jobs(when="created_after", timestamp_ms=created, direction="asc")
        at = [job for job in batch.list_jobs() if job.state.created_timestamp_ms == created]
        assert [*[j.job_id for j in before], *[j.job_id for j in at], *[j.job_id for j in after]] == [*done, queued, running]
        ended = [job.state.ended_timestamp_ms for job in batch.list_jobs(sort_by="ended", status="COMPLETED")]
        assert ended == sorted(ended, reverse=True)
        started = batch.list_jobs(sort_by="started", direction="asc")
        assert [job.job_id for job in started][-1] == queued  # never started: last


def test_errors_reach_the_user(sandbox: Sandbox, client: HumeClient) -> None:
    batch = client.expression_measurement.batch
    with pytest.raises(ApiError) as unknown:
        batch.get_job_details("00000000-0000-0000-0000-000000000000")
    assert (unknown.value.status_code, unknown.value.body) == (404, {"message": "job not found"})
    with pytest.raises(ApiError) as refused:
        HumeClient(api_key="", base_url=sandbox.url).expression_measurement.batch.list_jobs()
    assert refused.value.status_code == 401
    assert refused.value.body["fault"]["detail"]["errorcode"] == "oauth.v2.InvalidApiKey"


def test_the_asynchronous_client(sandbox: Sandbox) -> None:
    async def go() -> None:
        batch = AsyncHumeClient(api_key="any", base_url=sandbox.url).expression_measurement.batch
        by_text = await batch.start_inference_job(text=["Hello there."], models=Models(language=Language()))
        by_file = await batch.start_inference_job_from_local_file(
            file=[("talk.wav", SPEECH)], json=InferenceBaseRequest(models=Models(prosody=Prosody()))
        )
        for job_id in (by_text, by_file):
            while (await batch.get_job_details(job_id)).state.status != "COMPLETED":
                await asyncio.sleep(0.02)
        text = only(await batch.get_job_predictions(by_text))
        assert text.results.predictions[0].models.language is not None
        file = only(await batch.get_job_predictions(by_file))
        assert file.results.predictions[0].models.prosody is not None
        assert file.results.predictions[0].models.language is None
        archive = b"".join([chunk async for chunk in batch.get_job_artifacts(by_file)])
        assert zipfile.ZipFile(io.BytesIO(archive)).testzip() is None
        assert {by_text, by_file} <= {job.job_id for job in await batch.list_jobs(status=["COMPLETED"])}

    asyncio.run(go())
