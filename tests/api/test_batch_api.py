"""The six operations of the batch API: what each sends, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import io
import json
import random
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.api.batch import LIMITS, BatchApi, Job, Upload
from humeanalytics.api.job_pages import IncompleteList, jobs_since
from humeanalytics.errors import InvalidAnswer, MissingKey, OutcomeUnknown, RequestRejected

Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def call(make_settings: Any) -> Callable[..., Any]:
    """Run ``use(batch)`` against a handler in the network's place."""

    def call(use: Callable[[BatchApi], Awaitable[Any]], handle: Handler, **changes: Any) -> Any:
        async def run() -> Any:
            async with BatchApi(make_settings(**changes), transport=httpx.MockTransport(handle)) as batch:
                return await use(batch)

        return asyncio.run(run())

    return call


def job_answer(job_id: str, created_ms: int = 0, status: str = "QUEUED") -> dict[str, Any]:
    return {"job_id": job_id, "state": {"status": status, "created_timestamp_ms": created_ms}}


# ---------------------------------------------------------------------------------------------------------------- list
def test_list_jobs_sends_every_parameter(call: Any) -> None:
    seen: list[httpx.URL] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, json=[job_answer("j-1"), job_answer("j-2", status="FAILED")])

    async def use(batch: BatchApi) -> list[Job]:
        await batch.list_jobs()
        return await batch.list_jobs(
            limit=5,
            status=["QUEUED", "FAILED"],
            when="created_before",
            timestamp_ms=1712590457884,
            sort_by="ended",
            direction="asc",
        )

    jobs = call(use, handle)
    assert [(job.job_id, job.status) for job in jobs] == [("j-1", "QUEUED"), ("j-2", "FAILED")]
    assert seen[0].query == b""
    assert seen[1].path == "/v0/batch/jobs"
    assert seen[1].params.multi_items() == [
        ("limit", "5"),
        ("status", "QUEUED"),
        ("status", "FAILED"),
        ("when", "created_before"),
        ("timestamp_ms", "1712590457884"),
        ("sort_by", "ended"),
        ("direction", "asc"),
    ]


def test_check_asks_for_one_job_and_learns_who_answers(call: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.params["limit"] == "1"
        return httpx.Response(200, json=[], headers={"X-Hume-Sandbox": "seed=7", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"})

    async def use(batch: BatchApi) -> Any:
        assert (batch.origin, batch.synthetic) == ("api.hume.ai", None)
        await batch.check()
        return batch.origin, batch.synthetic, batch.server_now_ms()

    origin, synthetic, now_ms = call(use, handle)
    assert (origin, synthetic) == ("sandbox/7", True)
    assert now_ms == pytest.approx(1445412480500, abs=2000)


def test_without_a_key(make_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUME_API_KEY", raising=False)
    monkeypatch.delenv("HUME_API_KEY_FILE", raising=False)
    with pytest.raises(MissingKey, match="--sandbox"):
        BatchApi(make_settings(api_key=None))


def test_a_job_that_is_none_is_said_to_be(call: Any) -> None:
    with pytest.raises(InvalidAnswer, match="job_id"):
        call(lambda batch: batch.list_jobs(), lambda _: httpx.Response(200, json=[{"id": 5}]))


# ---------------------------------------------------------------------------------------------------- the list to its end
class JobList:
    """A server's list of jobs, with what is not published about it left to choose."""

    def __init__(self, created_ms: list[int], *, inclusive: bool, longest_page: int | None = None) -> None:
        order = list(enumerate(created_ms))
        random.Random(len(order)).shuffle(order)  # jobs of one millisecond come in no particular order
        self.jobs = sorted(
            (Job(job_id=f"j-{i}", status="QUEUED", created_ms=ms) for i, ms in order), key=lambda j: -(j.created_ms or 0)
        )
        self.inclusive, self.longest_page = inclusive, longest_page
        self.asked = 0

    async def page_before(self, before_ms: int, limit: int) -> list[Job]:
        self.asked += 1
        found = [job for job in self.jobs if job.created_ms is not None and job.created_ms < before_ms + self.inclusive]
        return found[: min(limit, self.longest_page or limit)]


@given(
    st.integers(0, 600),
    st.sampled_from([0, 1, 3, 30, 500, 5000]),
    st.integers(0, 2**32),
    st.integers(990, 1100),
    st.booleans(),
    st.sampled_from([None, 50, 60, 1000]),
)
def test_every_job_since_a_moment_is_found_once(
    count: int, spread_ms: int, seed: int, since_ms: int, inclusive: bool, longest: int | None
) -> None:
    """However the boundary counts, however many jobs share a millisecond. A list that cannot be complete is none."""
    draw = random.Random(seed)
    times_ms = [1000 + draw.randint(0, spread_ms) for _ in range(count)]
    jobs = JobList(times_ms, inclusive=inclusive, longest_page=longest)
    wanted = sorted(f"j-{i}" for i, ms in enumerate(times_ms) if ms >= since_ms)
    crowd = max((times_ms.count(ms) + (times_ms.count(ms + 1) if inclusive else 0) for ms in times_ms), default=0)
    try:
        found = asyncio.run(jobs_since(since_ms, jobs.page_before))
    except IncompleteList:
        assert longest is not None
        assert crowd >= longest
        return
    if longest is None or crowd <= longest:
        assert sorted(job.job_id for job in found) == wanted
    assert [job.created_ms for job in found] == sorted((job.created_ms for job in found), reverse=True)
    assert jobs.asked <= len(times_ms) // 20 + 40


def test_a_thousand_jobs_in_one_millisecond() -> None:
    for inclusive in (True, False):
        jobs = JobList([5] * 1000 + [4] * 30 + [9], inclusive=inclusive)
        assert len(asyncio.run(jobs_since(0, jobs.page_before))) == 1031


def test_more_jobs_in_a_millisecond_than_the_service_ever_shows() -> None:
    for inclusive in (True, False):
        jobs = JobList([5] * 200 + [4], inclusive=inclusive, longest_page=100)
        with pytest.raises(IncompleteList, match="at most 100"):
            asyncio.run(jobs_since(0, jobs.page_before))


def test_jobs_created_meanwhile_do_no_harm() -> None:
    jobs = JobList(list(range(1000, 1200)), inclusive=True)
    page_before = jobs.page_before

    async def growing(before_ms: int, limit: int) -> list[Job]:
        page = await page_before(before_ms, limit)
        jobs.jobs.insert(0, Job(job_id=f"new-{jobs.asked}", status="QUEUED", created_ms=2000 + jobs.asked))
        return page

    found = asyncio.run(jobs_since(1000, growing))
    assert {job.job_id for job in found} >= {f"j-{i}" for i in range(200)}
    assert len({job.job_id for job in found}) == len(found)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ([job_answer("a", 1), job_answer("b", 2)], "another order"),
        ([job_answer("a", 2), {"job_id": "b"}], "without the time"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_refused(call: Any, page: list[Any], said: str) -> None:
    with pytest.raises(InvalidAnswer, match=said) as caught:
        call(lambda batch: batch.jobs_since(0), lambda _: httpx.Response(200, json=page))
    assert "stay unknown" in str(caught.value)


def test_a_list_without_an_end_is_given_up() -> None:
    async def page_before(before_ms: int, limit: int) -> list[Job]:
        return [Job(job_id=f"j-{before_ms}", status="QUEUED", created_ms=before_ms - 2)]

    with pytest.raises(IncompleteList, match="no end"):
        asyncio.run(jobs_since(0, page_before))


def test_jobs_since_asks_backwards_in_time(call: Any) -> None:
    seen: list[httpx.QueryParams] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params)
        return httpx.Response(200, json=[job_answer("b", 20), job_answer("a", 10)])

    assert [job.job_id for job in call(lambda batch: batch.jobs_since(15), handle)] == ["b"]
    [params] = seen
    assert (params["when"], params["sort_by"], params["direction"]) == ("created_before", "created", "desc")
    assert int(params["timestamp_ms"]) > 4e12  # no clock, wrong as it may be, leaves a job out


# --------------------------------------------------------------------------------------------------------------- submit
def test_start_from_urls(call: Any) -> None:
    request = {"urls": ["https://x.example/a.wav?Signature=s"], "text": ["Nö."], "models": {"prosody": {}}, "transcription": None}

    def handle(sent: httpx.Request) -> httpx.Response:
        assert (sent.method, sent.url.path, sent.headers["content-type"]) == ("POST", "/v0/batch/jobs", "application/json")
        assert json.loads(sent.read() if isinstance(sent.stream, httpx.SyncByteStream) else sent.content) == request
        return httpx.Response(200, json={"job_id": "j-1", "new": 1})

    assert call(lambda batch: batch.start_from_urls(request), handle) == "j-1"


def test_start_from_files_sends_their_exact_length(call: Any) -> None:
    def handle(sent: httpx.Request) -> httpx.Response:
        assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert int(sent.headers["content-length"]) == len(sent.content)
        assert sent.content.index(b'name="json"') < sent.content.index(b'name="file"')
        assert b'filename="a.wav"' in sent.content
        return httpx.Response(200, json={"job_id": "j-2"})

    upload = Upload("a.wav", 4, "audio/wav", lambda: io.BytesIO(b"RIFF"))
    assert call(lambda batch: batch.start_from_files({"models": {}}, [upload]), handle) == "j-2"


def test_an_answer_without_a_job_is_unknown(call: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="job_id"):
        call(lambda batch: batch.start_from_urls({}), lambda _: httpx.Response(200, json={"ok": True}))


# -------------------------------------------------------------------------------------------------------------- collect
def test_job(call: Any) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=job_answer(request.url.path.rpartition("/")[2], 5, "IN_PROGRESS"))

    job = call(lambda batch: batch.job("j-1"), handle)
    assert (job.job_id, job.status, job.created_ms) == ("j-1", "IN_PROGRESS", 5)


def test_another_job_than_asked_for(call: Any) -> None:
    with pytest.raises(InvalidAnswer, match=r"Asked for job j-1, .* answered with job j-2"):
        call(lambda batch: batch.job("j-1"), lambda _: httpx.Response(200, json=job_answer("j-2")))


def test_an_id_is_one_part_of_the_path(call: Any) -> None:
    seen: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json=job_answer("../x?y"))

    call(lambda batch: batch.job("../x?y"), handle)
    assert seen == [b"/v0/batch/jobs/..%2Fx%3Fy"]


def test_predictions_asked_too_early(call: Any, sinks: Any) -> None:
    answers = [httpx.Response(400, json={"message": "not ready"})] * 3 + [httpx.Response(200, content=b"[]\n")]
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return answers[len(asked) - 1]

    assert call(lambda batch: batch.predictions("j-1", sinks[1]), handle) == 3
    assert asked == ["/v0/batch/jobs/j-1/predictions"] * 4
    assert [(sink.data, sink.ended) for sink in sinks[0]] == [(b"[]\n", ["commit"])]
    with pytest.raises(RequestRejected, match=r"not ready\. Tried 4 times"):
        call(lambda batch: batch.predictions("j-1", sinks[1]), lambda _: answers[0])


def test_artifacts_start_over_until_the_archive_is_whole(call: Any, sinks: Any) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.comment = b"c" * 60_000
        file.writestr("file-0-a/csv/a/face.csv", "Id\n" * 100_000)
    data = archive.getvalue()
    answers = [data[:-1000], data[:-60_010], data[: len(data) // 2], data]  # without a length: nothing else tells a cut
    asked: list[str] = []

    async def pieces(data: bytes) -> AsyncIterator[bytes]:
        yield data

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=pieces(answers[len(asked) - 1]))

    assert call(lambda batch: batch.artifacts("j-1", sinks[1]), handle) == len(data)
    assert asked == ["/v0/batch/jobs/j-1/artifacts"] * 4
    assert [sink.ended for sink in sinks[0]] == [["abort"]] * 3 + [["commit"]]
    assert sinks[0][-1].data == data


def test_limits_are_the_published_ones() -> None:
    assert (LIMITS.url_size_bytes, LIMITS.file_size_bytes, LIMITS.text_size_bytes) == (10**9, 10**8, 255 * 10**6)
    assert (LIMITS.urls_per_job, LIMITS.files_per_job, LIMITS.texts_per_job) == (100, 100, 100)
    assert (LIMITS.duration_s, LIMITS.queued_jobs) == (10_800.0, 500)
