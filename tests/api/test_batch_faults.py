"""Every way the service can go wrong, over real HTTP against the sandbox's faults; and what it accepted meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from humeanalytics.api.batch import BatchApi, Job, Upload
from humeanalytics.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidAnswer,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ServerFailed,
    ServiceDiscontinued,
)
from humeanalytics.sandbox.embedded import Sandbox
from humeanalytics.sandbox.options import SandboxOptions
from humeanalytics.settings import Settings

JOBS = "/v0/batch/jobs"
REQUEST = {"text": ["I did not expect that, and I am glad of it."], "models": {"language": {"granularity": "word"}}}
Use = Callable[[BatchApi], Awaitable[Any]]


@pytest.fixture(scope="module")
def service() -> Iterator[Sandbox]:
    with Sandbox(options=SandboxOptions(queue_s=0.0, run_s=0.0)) as service:
        yield service


@pytest.fixture
def sandbox(service: Sandbox) -> Iterator[Sandbox]:
    yield service
    service.set_faults([])


@pytest.fixture
def ask(sandbox: Sandbox) -> Callable[..., Any]:
    """Put rules in force, run ``use(batch)`` and return what it returned."""

    def ask(use: Use, *rules: dict[str, Any], **changes: Any) -> Any:
        async def run() -> Any:
            settings: Settings = sandbox.settings.model_copy(
                update={"retry_first_s": 0.005, "retry_cap_s": 0.05, "retry_deadline_s": 10.0, **changes}
            )
            async with BatchApi(settings) as batch:
                sandbox.set_faults(list(rules))
                return await use(batch)

        return asyncio.run(run())

    return ask


async def list_jobs(batch: BatchApi) -> list[Job]:
    return await batch.list_jobs(limit=1)


async def start(batch: BatchApi) -> str:
    return await batch.start_from_urls(REQUEST)


async def start_with_files(batch: BatchApi) -> str:
    data = b"Not what I hoped for."
    return await batch.start_from_files(
        {"models": {"language": {}}}, [Upload("a.txt", len(data), "text/plain", lambda: io.BytesIO(data))]
    )


async def completed(batch: BatchApi) -> str:
    job_id = await start(batch)
    async with asyncio.timeout(20):
        while not (await batch.job(job_id)).ended:
            await asyncio.sleep(0.01)
    return job_id


SUBMISSIONS = [start, start_with_files]


# ---------------------------------------------------------------------------------------------------------- all is well
def test_a_job_from_start_to_end(ask: Any, sinks: Any) -> None:
    async def use(batch: BatchApi) -> tuple[Job, int, int, list[Job]]:
        began_ms = batch.server_now_ms() - 2000
        job_id = await completed(batch)
        sizes = await batch.predictions(job_id, sinks[1]), await batch.artifacts(job_id, sinks[1])
        assert (batch.origin, batch.synthetic) == ("sandbox/7", True)
        return await batch.job(job_id), *sizes, await batch.jobs_since(began_ms)

    job, predictions_bytes, artifacts_bytes, since = ask(use)
    assert (job.status, job.num_errors) == ("COMPLETED", 0)
    assert job.texts == tuple(REQUEST["text"])
    predictions, artifacts = sinks[0]
    assert (len(predictions.data), len(artifacts.data)) == (predictions_bytes, artifacts_bytes)
    assert json.loads(predictions.data)[0]["source"] == {"type": "text"}
    assert zipfile.ZipFile(io.BytesIO(artifacts.data)).testzip() is None
    assert job.job_id in {listed.job_id for listed in since}


def test_what_files_arrive_as(ask: Any, sandbox: Sandbox) -> None:
    names = ["Übung №1 🎬.txt", 'the "best".txt', "plain.txt"]

    async def use(batch: BatchApi) -> Job:
        uploads = [Upload(name, 5, "text/plain", lambda i=i: io.BytesIO(b"Nr. %d" % i)) for i, name in enumerate(names)]  # type: ignore[misc]
        return await batch.job(
            await batch.start_from_files({"models": {"language": {}}, "urls": [], "text": ["And this."]}, uploads)
        )

    job = ask(use)
    assert [file["filename"] for file in job.request["files"]] == [names[0], "the %22best%22.txt", names[2]]
    assert job.md5s == tuple(hashlib.md5(b"Nr. %d" % i).hexdigest() for i in range(3))
    assert job.texts == ("And this.",)


# --------------------------------------------------------------------------------------------------- refused for good
@pytest.mark.parametrize("use", [list_jobs, *SUBMISSIONS])
@pytest.mark.parametrize(
    ("rule", "kind", "said"),
    [
        ({"status": 401}, AuthenticationFailed, "HUME_API_KEY"),
        ({"status": 403}, PermissionDenied, "permissions"),
        ({"discontinued": True}, ServiceDiscontinued, "2026-06-14"),
        ({"status": 404}, NotFound, "fault on order: 404"),
        ({"status": 400, "body": {"fault": {"faultstring": "No such model"}}}, RequestRejected, "No such model"),
        ({"status": 413, "html": True}, RequestRejected, "an HTML page titled '413 error'"),
        ({"status": 422, "body": "plain words"}, RequestRejected, "plain words"),
        ({"status": 301}, RequestRejected, "HUME_BASE_URL"),
    ],
)
def test_refused_at_once(ask: Any, sandbox: Sandbox, use: Use, rule: dict[str, Any], kind: type[ApiError], said: str) -> None:
    before = len(sandbox.submissions())
    with pytest.raises(kind) as caught:
        ask(use, {"path": JOBS, "times": 1, **rule})
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert len(sandbox.submissions()) == before


def test_a_wrong_key() -> None:
    async def run(settings: Settings) -> None:
        async with BatchApi(settings) as batch:
            await batch.check()

    with Sandbox(api_key="the-right-key") as sandbox:
        asyncio.run(run(sandbox.settings))
        with pytest.raises(AuthenticationFailed, match="Invalid ApiKey") as caught:
            asyncio.run(run(sandbox.settings.model_copy(update={"api_key": type(sandbox.settings.api_key)("a-wrong-key")})))
        assert "a-wrong-key" not in str(caught.value)


def test_a_job_nobody_has(ask: Any) -> None:
    with pytest.raises(NotFound, match="job not found"):
        ask(lambda batch: batch.job("3fe1c8a2-0a1b-4c1d-9e4f-2c0f6f3b9d11"))


# --------------------------------------------------------------------------------------------------------- GET repeated
@pytest.mark.parametrize(
    "rule",
    [
        *({"status": status} for status in (408, 425, 429, 500, 502, 503, 504)),
        {"status": 503, "html": True},
        {"status": 429, "retry_after": 0},
        {"status": 429, "retry_after": {"ms": 20}},
        {"status": 429, "retry_after": {"date_in_s": 0}},
        {"status": 429, "retry_after": "soon"},
        {"drop_before": True},
        {"drop_after": True},
        {"truncate": 0.0},
        {"truncate": 0.6},
    ],
    ids=str,
)
def test_reading_survives(ask: Any, sandbox: Sandbox, sinks: Any, rule: dict[str, Any]) -> None:
    """Each operation that reads fails twice and then works; sinks of failed attempts are thrown away."""

    async def use(batch: BatchApi) -> None:
        job_id = await completed(batch)
        paths = (JOBS, f"{JOBS}/{job_id}", f"{JOBS}/{job_id}/predictions", f"{JOBS}/{job_id}/artifacts")
        sandbox.set_faults([{"method": "GET", "path": path, "times": 2, **rule} for path in paths])
        assert await batch.list_jobs(limit=5)
        assert (await batch.job(job_id)).status == "COMPLETED"
        assert await batch.predictions(job_id, sinks[1]) == len(sinks[0][-1].data)
        assert await batch.artifacts(job_id, sinks[1]) == len(sinks[0][-1].data)

    ask(use)
    assert [sink.ended for sink in sinks[0]].count(["commit"]) == 2
    assert all(sink.ended in (["abort"], ["commit"]) for sink in sinks[0])


@pytest.mark.parametrize(("retry_after", "least_s"), [(1, 1.0), ({"ms": 400}, 0.4), ({"date_in_s": 2}, 1.0)])
def test_waits_as_long_as_asked(ask: Any, retry_after: Any, least_s: float) -> None:
    async def use(batch: BatchApi) -> float:
        began_s = time.monotonic()
        await batch.list_jobs()
        return time.monotonic() - began_s

    waited_s = ask(use, {"method": "GET", "path": JOBS, "times": 1, "status": 429, "retry_after": retry_after})
    assert least_s <= waited_s < least_s + 20


@pytest.mark.parametrize("retry_after", [600, {"ms": 600_000}, {"date_in_s": 600}], ids=str)
@pytest.mark.parametrize("use", [list_jobs, start])
def test_a_wait_beyond_the_deadline_is_said_at_once(ask: Any, use: Use, retry_after: Any) -> None:
    began_s = time.monotonic()
    with pytest.raises(RateLimited, match=r"asked to wait (600|599)") as caught:
        ask(use, {"path": JOBS, "status": 429, "retry_after": retry_after})
    assert time.monotonic() - began_s < 60
    assert caught.value.exit_code == 75


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ({"status": 429}, RateLimited),
        ({"status": 500}, ServerFailed),
        ({"status": 503, "html": True}, ServerFailed),
        ({"truncate": 0.5}, InvalidAnswer),
    ],
)
def test_reading_gives_up_at_the_deadline(ask: Any, rule: dict[str, Any], kind: type[ApiError]) -> None:
    with pytest.raises(kind, match=r"Tried \d+ times") as caught:
        ask(list_jobs, {"method": "GET", "path": JOBS, **rule}, retry_deadline_s=0.3)
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("body", [True, "<html><title>Maintenance</title></html>", '{"message": "hello"}'])
def test_garbage_with_200(ask: Any, sandbox: Sandbox, sinks: Any, body: Any) -> None:
    async def use(batch: BatchApi) -> None:
        job_id = await completed(batch)
        sandbox.set_faults([{"method": "GET", "wrong_body": body}])
        for read in (
            batch.list_jobs(),
            batch.predictions(job_id, sinks[1]),
            batch.artifacts(job_id, sinks[1]),
            batch.job(job_id),
        ):
            with pytest.raises(InvalidAnswer):
                await read

    ask(use)
    assert [sink.ended for sink in sinks[0]] == [["abort"], ["abort"]]


def test_a_slow_answer_is_waited_for(ask: Any) -> None:
    assert isinstance(ask(list_jobs, {"method": "GET", "path": JOBS, "slow": 2000}), list)


# --------------------------------------------------------------------------------------------- submitted at most once
@pytest.mark.parametrize("use", SUBMISSIONS)
@pytest.mark.parametrize(
    "rule",
    [
        {"status": 429},
        {"status": 503},
        {"status": 429, "retry_after": 0},
        {"status": 503, "html": True, "retry_after": {"ms": 10}},
    ],
    ids=str,
)
def test_a_submission_not_taken_is_sent_again(ask: Any, sandbox: Sandbox, use: Use, rule: dict[str, Any]) -> None:
    before = len(sandbox.submissions())
    job_id = ask(use, {"method": "POST", "path": JOBS, "times": 3, **rule})
    assert [item["job_id"] for item in sandbox.submissions()[before:]] == [job_id]


@pytest.mark.parametrize("use", SUBMISSIONS)
@pytest.mark.parametrize(
    ("rule", "status", "accepted"),
    [
        *(({"status": status}, status, 0) for status in (408, 500, 502, 504)),
        ({"drop_before": True}, None, 0),
        ({"drop_after": True}, None, 1),
        ({"truncate": 0.5}, 200, 1),
        ({"truncate": 0.0}, 200, 1),
        ({"wrong_body": True}, 200, 1),
        ({"wrong_body": "<html><title>Welcome</title></html>"}, 200, 1),
        ({"wrong_body": '{"job": 5}'}, 200, 1),
    ],
    ids=str,
)
def test_a_submission_whose_answer_is_lost(
    ask: Any, sandbox: Sandbox, use: Use, rule: dict[str, Any], status: int | None, accepted: int
) -> None:
    """Accepted or not, it is unknown, never sent again; and if it was accepted, the list of jobs has it."""
    before = len(sandbox.submissions())

    async def lose(batch: BatchApi) -> tuple[OutcomeUnknown, list[Job]]:
        await batch.check()
        began_ms = batch.server_now_ms() - 2000
        with pytest.raises(OutcomeUnknown) as caught:
            await use(batch)
        return caught.value, await batch.jobs_since(began_ms)

    error, listed = ask(lose, {"method": "POST", "path": JOBS, **rule})
    assert error.status == status
    assert error.reason
    accepted_now = sandbox.submissions()[before:]
    assert len(accepted_now) == accepted
    assert {item["job_id"] for item in accepted_now} <= {job.job_id for job in listed}


def test_a_submission_that_is_never_taken(ask: Any, sandbox: Sandbox) -> None:
    before = len(sandbox.submissions())
    with pytest.raises(ServerFailed, match="Tried"):
        ask(start, {"method": "POST", "path": JOBS, "status": 503}, retry_deadline_s=0.2)
    assert len(sandbox.submissions()) == before


# ---------------------------------------------------------------------------------------------------------- the rest
def test_predictions_asked_before_the_end(ask: Any, sinks: Any) -> None:
    async def use(batch: BatchApi) -> None:
        job_id = await start(batch)
        with pytest.raises(RequestRejected, match="Tried 4 times"):
            await batch.predictions(job_id, sinks[1])

    ask(use, {"stuck": "IN_PROGRESS"})
    assert not sinks[0]


def test_new_fields_and_states_pass(ask: Any) -> None:
    async def use(batch: BatchApi) -> Job:
        return await batch.job(await completed(batch))

    job = ask(use, {"new_fields": True}, {"new_names": True})
    assert job.ended
    assert set(job.raw) - {"job_id", "type", "user_id", "request", "state"}


def test_list_with_every_filter(ask: Any) -> None:
    async def use(batch: BatchApi) -> None:
        done = [await completed(batch) for _ in range(3)]
        jobs = {job.job_id: job for job in await batch.list_jobs(limit=200)}
        middle_ms = jobs[done[1]].created_ms
        assert middle_ms is not None
        before = await batch.list_jobs(when="created_before", timestamp_ms=middle_ms, limit=200)
        after = await batch.list_jobs(when="created_after", timestamp_ms=middle_ms, limit=200)
        assert done[0] in {job.job_id for job in before}
        assert done[2] in {job.job_id for job in after}
        assert not {job.job_id for job in before} & {job.job_id for job in after}
        assert all(job.status == "FAILED" for job in await batch.list_jobs(status=["FAILED"]))
        assert {job.status for job in await batch.list_jobs(status=["FAILED", "COMPLETED"])} >= {"COMPLETED"}
        ended = await batch.list_jobs(sort_by="ended", direction="asc", status=["COMPLETED"], limit=200)
        assert [job.ended_ms for job in ended] == sorted(job.ended_ms for job in ended if job.ended_ms is not None)
        assert len(await batch.list_jobs(limit=2)) == 2

    ask(use)


def test_every_job_of_a_crowd_is_listed(ask: Any) -> None:
    async def use(batch: BatchApi) -> tuple[list[str], list[Job]]:
        await batch.check()
        began_ms = batch.server_now_ms() - 2000
        ids = await asyncio.gather(*(start(batch) for _ in range(130)))
        return list(ids), await batch.jobs_since(began_ms)

    ids, listed = ask(use)
    assert set(ids) <= {job.job_id for job in listed}
    assert len({job.job_id for job in listed}) == len(listed)
