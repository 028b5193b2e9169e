"""`listen` against the sandbox's webhooks and callbacks: what is answered is never lost, and what is refused leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

import humeanalytics as ha
from humeanalytics.errors import LakeLocked, SettingsError, UsageError, WaitTimeout
from humeanalytics.jobs.export_known import SETTLE_MS
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.sandbox.embedded import Sandbox

KEY = "sandbox-signing-key"
API_KEY = "key-of-the-account"
MARK = "marker-of-what-must-not-stay"
FAST = {"requests_per_s": 10_000.0, "retry_first_s": 0.01, "retry_cap_s": 0.05, "retry_deadline_s": 0.5}
SandboxWith = Callable[..., Sandbox]


def settings_of(hume: Sandbox, **more: Any) -> ha.Settings:
    keys = {"webhook_signing_keys": SecretStr(f"an-older-key, {KEY}"), "api_key": SecretStr(API_KEY)}
    return hume.settings.model_copy(update={**FAST, **keys, **more})


@contextmanager
def listening(hume: Sandbox, lake: Path, said: list[str] | None = None, **more: Any) -> Iterator[ha.Listener]:
    told = [] if said is None else said
    with ha.Listener(lake, port=0, settings=settings_of(hume), say=told.append, **more) as listener:
        yield listener


def ended_chats(hume: Sandbox) -> list[dict[str, Any]]:
    return [chat for chat in hume.evi.truth()["chats"] if chat["status"] != "ACTIVE" and chat["end_timestamp"]]


def rows(lake: Path, sql: str) -> list[dict[str, Any]]:
    with ha.open_lake(lake) as opened:
        return opened.sql(sql).rows()


def assert_exported(hume: Sandbox, lake: Path, chat_ids: set[str]) -> None:
    """The lake holds these chats and no others, with all their events, each once."""
    counted = {row["chat_id"]: row["n"] for row in rows(lake, "SELECT chat_id, count(*) AS n FROM chat_events GROUP BY ALL")}
    assert counted == {chat_id: len(list(hume.evi.events(chat_id))) for chat_id in chat_ids}
    assert {row["chat_id"] for row in rows(lake, "SELECT chat_id FROM chats WHERE form = 'history'")} == chat_ids


def files_with(folder: Path, mark: str) -> list[str]:
    """The files that hold a text, also those that hold it packed."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and mark.encode() in unpacked(path)]


def unpacked(path: Path) -> bytes:
    if path.suffix == ".zst":
        with pa.input_stream(path, compression="zstd") as stream:
            return bytes(stream.read())
    if path.suffix == ".parquet":
        return repr(pq.read_table(path).to_pylist()).encode()
    return path.read_bytes()


def until(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------------- webhooks of EVI
def test_a_chat_that_has_ended_is_exported_with_what_only_webhooks_tell(hume: Sandbox, tmp_path: Path) -> None:
    chats = ended_chats(hume)[:4]
    told: dict[str, dict[str, Any]] = {}
    with listening(hume, tmp_path / "lake") as listener:
        for chat in chats:
            for event_name in ("chat_started", "chat_ended"):
                sent = hume.evi.send_webhook(listener.webhook_url, event_name, chat["id"])
                assert sent["status"] == 200
                told[chat["id"]] = {**told.get(chat["id"], {}), **json.loads(sent["body"])}
        assert listener.wait_until_done(30)
        assert listener.counts() == {"deliveries": 8, "waiting": 0, "done": 4, "given_up": 0, "refused": {}}
    assert_exported(hume, tmp_path / "lake", set(told))
    for row in rows(tmp_path / "lake", "SELECT * FROM chats"):
        webhook = told[row["chat_id"]]
        assert (row["duration_s"], row["start_type"]) == (webhook["duration_seconds"], webhook["chat_start_type"])
        assert (row["status"], row["custom_session_id"]) == (webhook["end_reason"], webhook["custom_session_id"])
    kept = rows(tmp_path / "lake", "SELECT raw_path FROM responses WHERE kind = 'webhooks'")
    assert len(kept) == 8


def test_facts_of_the_caller_and_the_call_come_into_the_lake(hume: Sandbox, tmp_path: Path) -> None:
    chat = ended_chats(hume)[0]
    body = {
        "event_name": "chat_ended",
        "chat_id": chat["id"],
        "chat_group_id": chat["chat_group_id"],
        "config_id": None,
        "caller_number": "+15550100",
        "custom_session_id": "session-7",
        "twilio_metadata": {"call_sid": "CA1", "from_city": "", "api_key": "secret-of-somebody"},
        "end_time": chat["end_timestamp"],
        "duration_seconds": 12,
        "end_reason": "USER_ENDED",
    }
    call = {"type": "tool_call", "name": "look_up", "parameters": "{}", "tool_call_id": "call_9", "tool_type": "function"}
    tool_call = {"event_name": "tool_call", "chat_id": chat["id"], "timestamp": 1, "tool_call_message": call}
    with listening(hume, tmp_path / "lake") as listener:
        for each in (tool_call, {**tool_call, "tool_call_message": {**call, "tool_call_id": "call_10"}}, body):
            sent = hume.evi.send_webhook(listener.webhook_url, each["event_name"], chat["id"], body=json.dumps(each))
            assert sent["status"] == 200
        assert listener.wait_until_done(30)
    row = rows(tmp_path / "lake", "SELECT * FROM chats")[0]
    assert (row["custom_session_id"], row["caller_number"], row["duration_s"]) == ("session-7", "+15550100", 12.0)
    assert json.loads(row["twilio_json"])["call_sid"] == "CA1"
    called = {row["tool_call_id"] for row in rows(tmp_path / "lake", "SELECT tool_call_id FROM tool_calls")}
    assert {"call_9", "call_10"} <= called
    assert not files_with(tmp_path / "lake", "secret-of-somebody")
    assert files_with(tmp_path / "lake", "session-7")  # packed as it is, it is found


def test_what_comes_again_is_answered_and_does_nothing(hume: Sandbox, tmp_path: Path) -> None:
    chat = ended_chats(hume)[0]
    with listening(hume, tmp_path / "lake") as listener:
        sent = hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"])
        assert listener.wait_until_done(30)
        headers = {"X-Hume-AI-Webhook-Timestamp": sent["timestamp"], "X-Hume-AI-Webhook-Signature": sent["signature"]}
        for _ in range(3):  # the very same request, within its time
            assert httpx.post(listener.webhook_url, content=sent["body"], headers=headers).status_code == 200
        assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"], age_s=60)["status"] == 200
        assert listener.wait_until_done(30)
        assert (listener.counts()["deliveries"], listener.counts()["done"]) == (1, 1)
        late = hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"], age_s=200)
        assert (late["status"], listener.counts()["refused"]) == (401, {"too old": 1})
    with listening(hume, tmp_path / "lake") as listener:  # and so it is for the next one
        assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"])["status"] == 200
        assert not listener.counts()["waiting"]
    assert [run["verb"] for run in rows(tmp_path / "lake", "SELECT verb FROM runs")] == ["listen"]


def test_of_what_is_refused_nothing_is_left(hume: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chat_id, lake = ended_chats(hume)[0]["id"], tmp_path / "lake"
    body = json.dumps({"event_name": "chat_ended", "chat_id": chat_id, "custom_session_id": MARK})
    said: list[str] = []
    with listening(hume, lake, said, body_bytes=2000) as listener:
        url = listener.webhook_url
        for key, age_s in (("wrong", 0), (API_KEY, 0), (KEY, 200), (KEY, -60)):
            assert hume.evi.send_webhook(url, "chat_ended", chat_id, body=body, key=key, age_s=age_s)["status"] == 401
        assert httpx.post(url, content=body).status_code == 401
        assert hume.evi.send_webhook(url, "chat_ended", chat_id, body=MARK)["status"] == 400
        assert hume.evi.send_webhook(url, "chat_ended", chat_id, body=body + " " * 2000)["status"] == 413
        callback = listener.url + "/callbacks/v0?token=" + MARK
        assert httpx.post(callback, json={"job_id": MARK}).status_code == 401
        assert listener.wait_until_done(5)
        counts = listener.counts()
        assert counts["deliveries"] == counts["done"] == counts["waiting"] == 0
        assert sum(counts["refused"].values()) == 8
        assert not files_with(lake, MARK)
    assert not files_with(lake, MARK)
    assert MARK not in "".join(said) + "".join(capfd.readouterr())


def test_a_chat_that_is_not_there_yet_is_waited_for(hume: Sandbox, tmp_path: Path) -> None:
    chat_id, group_id = "11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"
    body = json.dumps({"event_name": "chat_ended", "chat_id": chat_id, "chat_group_id": group_id, "end_reason": "USER_ENDED"})
    with listening(hume, tmp_path / "lake") as listener:
        assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", "", body=body)["status"] == 200
        until(lambda: "webhooks" in {row["kind"] for row in rows(tmp_path / "lake", "SELECT kind FROM responses")})
        assert listener.counts()["waiting"] == 1
        now_ms = hume.evi.truth()["now_ms"]
        fields = {
            "status": "USER_ENDED",
            "end_timestamp": now_ms - SETTLE_MS - 1000,
            "start_timestamp": now_ms - SETTLE_MS - 9000,
        }
        hume.evi.add_chat([{"type": "USER_MESSAGE", "message_text": "Hi"}], id=chat_id, chat_group_id=group_id, **fields)
        until(lambda: listener.counts()["done"] == 1)
    assert_exported(hume, tmp_path / "lake", {chat_id})
    assert not rows(tmp_path / "lake", "SELECT * FROM errors")


def test_a_chat_that_has_only_just_ended_is_looked_at_once_more(hume: Sandbox, tmp_path: Path) -> None:
    now_ms = hume.evi.truth()["now_ms"]
    fields = {"status": "USER_ENDED", "end_timestamp": now_ms - 1000, "start_timestamp": now_ms - 9000}
    chat = hume.evi.add_chat([{"type": "USER_MESSAGE", "message_text": "Hi"}], **fields)
    with listening(hume, tmp_path / "lake") as listener:
        assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"])["status"] == 200
        assert listener.wait_until_done(30)
        assert (listener.counts()["waiting"], listener.counts()["done"]) == (1, 0)
    assert_exported(hume, tmp_path / "lake", {chat["id"]})


def test_signed_webhooks_of_no_known_kind_fail_no_rebuild(hume: Sandbox, tmp_path: Path) -> None:
    chat, lake = ended_chats(hume)[0], tmp_path / "lake"
    odd = [{"event_name": "chat_paused", "chat_id": chat["id"]}, {"event_name": "chat_ended"}, {"hello": "world"}]
    with listening(hume, lake) as listener:
        for body in odd:
            assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"], body=json.dumps(body))["status"] < 500
        assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"])["status"] == 200
        assert listener.wait_until_done(30)
    before = rows(lake, "SELECT chat_id, form, events FROM chats ORDER BY ALL")
    rebuilt = ha.rebuild(lake)
    assert rebuilt.exit_code == 0, str(rebuilt)
    assert rows(lake, "SELECT chat_id, form, events FROM chats ORDER BY ALL") == before
    assert_exported(hume, lake, {chat["id"]})


def test_an_export_that_holds_the_lake_holds_up_no_sender(hume: Sandbox, tmp_path: Path) -> None:
    chat_id, lake, said = ended_chats(hume)[0]["id"], tmp_path / "lake", []
    with listening(hume, lake, said) as listener:
        with flow_lock(lake / "locks", "evi", lake_uri=str(lake)):
            begun = time.monotonic()
            assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat_id)["status"] == 200
            assert time.monotonic() - begun < 10  # the lock is held for as long as this block lasts
            until(lambda: bool(said))
        assert "Another run of 'evi'" in said[0]
        assert listener.wait_until_done(30)
    assert_exported(hume, lake, {chat_id})


@pytest.mark.parametrize("first_answers", [0, 1])
def test_a_chat_that_cannot_be_read_holds_up_no_other(hume: Sandbox, tmp_path: Path, first_answers: int) -> None:
    """Neither one that cannot be looked at, nor one that fails when it is read."""
    first, *others = [chat["id"] for chat in ended_chats(hume)[:4]]
    hume.set_faults([{"path": f"/v0/evi/chats/{first}", "status": 500, "after": first_answers}])
    with listening(hume, tmp_path / "lake") as listener:
        for chat_id in (first, *others):
            assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat_id)["status"] == 200
        until(lambda: listener.counts()["done"] == 3, 60)
        assert listener.counts()["waiting"] == 1
    assert_exported(hume, tmp_path / "lake", set(others))


def test_a_service_that_is_down_for_a_while_loses_nothing(hume: Sandbox, tmp_path: Path) -> None:
    chats = [chat["id"] for chat in ended_chats(hume)[:3]]
    hume.set_faults([{"path": "/v0/evi/*", "status": 503}])
    with listening(hume, tmp_path / "lake") as listener:
        for chat_id in chats:
            assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat_id)["status"] == 200
        assert not listener.wait_until_done(2)
        hume.set_faults([])
        assert listener.wait_until_done(30)
    assert_exported(hume, tmp_path / "lake", set(chats))


def test_a_service_that_has_ended_is_asked_once_and_said_to_have_ended(hume: Sandbox, tmp_path: Path) -> None:
    chat, said = ended_chats(hume)[0], list[str]()
    hume.set_faults([{"path": "/v0/evi/*", "discontinued": True}])
    with listening(hume, tmp_path / "lake", said) as listener:
        assert hume.evi.send_webhook(listener.webhook_url, "chat_ended", chat["id"])["status"] == 200
        until(lambda: bool(said))
        time.sleep(2)
        assert len(said) == 1
        assert "Nothing can be fetched" in said[0]
        assert listener.counts()["waiting"] == 1
    row = rows(tmp_path / "lake", "SELECT * FROM chats")[0]  # what the webhook told is there all the same
    assert (row["chat_id"], row["form"], row["events"]) == (chat["id"], "webhook", 0)
    hume.set_faults([])
    with listening(hume, tmp_path / "lake") as listener:
        assert listener.wait_until_done(30)
    assert_exported(hume, tmp_path / "lake", {chat["id"]})


# ------------------------------------------------------------------------------------------------------ callbacks of v0
def start_job(hume: Sandbox, callback_url: str | None, **more: Any) -> str:
    request = {"text": ["Hello there.", "Good bye."], "models": {"language": {}}, "callback_url": callback_url, **more}
    answer = httpx.post(f"{hume.url}/v0/batch/jobs", json=request, headers={"X-Hume-Api-Key": "any"})
    return str(answer.json()["job_id"])


def test_a_job_that_calls_is_collected(hume: Sandbox, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with listening(hume, lake) as listener:
        job_id = start_job(hume, listener.callback_url)
        until(lambda: listener.counts()["done"] == 1)
        assert httpx.post(listener.callback_url, json={"job_id": job_id}).status_code == 200
        assert listener.counts()["deliveries"] == 1
        token = listener.callback_url.partition("=")[2]
    found = rows(lake, "SELECT hume_job_id, scored_at, file FROM scorings WHERE model = 'language'")
    assert {row["hume_job_id"] for row in found} == {job_id}
    assert len(found) == 2
    assert all(row["scored_at"] for row in found)
    assert files_with(lake, token) == [str(lake / "listen" / "callback.token")]
    assert not list((lake / "listen" / "collected").glob("*"))


def test_of_a_callback_only_the_job_is_believed(hume: Sandbox, tmp_path: Path) -> None:
    job_id = start_job(hume, None)
    prediction = {"file": MARK, "predictions": [{"emotions": [{"name": "Joy", "score": 1.0}]}]}
    lie = {"status": "FAILED", "message": MARK, "predictions": [prediction], "job_id": job_id}
    with listening(hume, tmp_path / "lake") as listener:
        assert httpx.post(listener.callback_url, json=lie).status_code == 200
        until(lambda: listener.counts()["done"] == 1)
    assert len(rows(tmp_path / "lake", "SELECT * FROM language")) > 2
    assert max(row["joy"] for row in rows(tmp_path / "lake", "SELECT joy FROM language")) < 1
    assert not rows(tmp_path / "lake", "SELECT * FROM errors")
    assert not files_with(tmp_path / "lake", MARK)


def test_a_job_of_ours_that_calls_is_collected_by_its_own_flow(
    sandbox_with: SandboxWith, voices: Callable[[int], Path], tmp_path: Path
) -> None:
    hume, lake = sandbox_with(queue_s=600.0), tmp_path / "lake"
    with pytest.raises(WaitTimeout):
        ha.score(voices(2), lake, api="batch", models=["prosody"], settings=settings_of(hume, wait_s=2.0))
    (job,) = rows(lake, "SELECT hume_job_id, state FROM jobs")
    assert job["state"] == "accepted"
    hume.advance_clock(600)
    with listening(hume, lake) as listener:
        assert httpx.post(listener.callback_url, json={"job_id": job["hume_job_id"]}).status_code == 200
        until(lambda: listener.counts()["done"] == 1)
    assert rows(lake, "SELECT state FROM jobs") == [{"state": "loaded"}]
    assert len(rows(lake, "SELECT DISTINCT recording_id FROM prosody")) == 2
    assert len(hume.submissions()) == 2


def test_a_job_that_failed_is_told_of(hume: Sandbox, tmp_path: Path) -> None:
    hume.set_faults([{"fail_job": "out of luck"}])
    with listening(hume, tmp_path / "lake") as listener:
        job_id = start_job(hume, listener.callback_url)
        until(lambda: listener.counts()["given_up"] == 1)
    (error,) = rows(tmp_path / "lake", "SELECT hume_job_id, message FROM errors")
    assert error["hume_job_id"] == job_id
    assert "out of luck" in error["message"]


def test_a_job_nobody_knows_holds_up_no_other(hume: Sandbox, tmp_path: Path) -> None:
    with listening(hume, tmp_path / "lake") as listener:
        unknown = {"job_id": "11111111-2222-4333-8444-555555555555"}
        assert httpx.post(listener.callback_url, json=unknown).status_code == 200
        start_job(hume, listener.callback_url)
        until(lambda: listener.counts()["done"] == 1)
        assert listener.counts()["waiting"] == 1


# --------------------------------------------------------------------------------------------------------- the command
def command(hume: Sandbox, lake: Path, *flags: str, **environment: str) -> subprocess.Popen[str]:
    own = {"HUME_BASE_URL": hume.url, "HUME_API_KEY": API_KEY, "HUME_WEBHOOK_SIGNING_KEY": KEY, **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "humeanalytics", "listen", "--lake", str(lake), "--port", "0", *flags],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:"), line
    return line.split()[-1]


def test_what_was_answered_survives_a_kill(hume: Sandbox, tmp_path: Path) -> None:
    lake, chats = tmp_path / "lake", [chat["id"] for chat in ended_chats(hume)[:3]]
    with ha.open_lake(lake):
        pass
    with flow_lock(lake / "locks", "evi", lake_uri=str(lake)):  # so that nothing can be exported yet
        process = command(hume, lake)
        url = url_of(process)
        for chat_id in chats:
            assert hume.evi.send_webhook(f"{url}/webhooks/evi", "chat_ended", chat_id)["status"] == 200
        process.kill()
        process.communicate()
    assert not rows(lake, "SELECT * FROM chats")
    process = command(hume, lake)
    url = url_of(process)
    until(lambda: httpx.get(f"{url}/healthz").json()["done"] == 3)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "3 chats exported" in output
    assert_exported(hume, lake, set(chats))


def test_output_and_lake_hold_no_secrets_and_addresses_stay(hume: Sandbox, tmp_path: Path) -> None:
    lake, key_file = tmp_path / "lake", tmp_path / "keys"
    key_file.write_text(f"an-older-key\n{KEY}\n")
    process = command(hume, lake, "--signing-key-file", str(key_file), HUME_WEBHOOK_SIGNING_KEY="")
    url = url_of(process)
    shown = [sys.executable, "-m", "humeanalytics", "listen", "--lake", str(lake), "--show-urls", "--public-url"]
    printed = subprocess.run([*shown, "https://hooks.example.org/"], capture_output=True, text=True, check=True).stdout
    (callback_url,) = re.findall(r"https://hooks.example.org(/callbacks/v0\?token=\S+)", printed)
    start_job(hume, url + callback_url)
    for chat in ended_chats(hume)[:2]:
        assert hume.evi.send_webhook(f"{url}/webhooks/evi", "chat_ended", chat["id"])["status"] == 200
    until(lambda: httpx.get(f"{url}/healthz").json()["done"] == 3)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stopped: 3 deliveries" in output
    token = callback_url.partition("=")[2]
    for secret in (KEY, API_KEY, token, "an-older-key"):
        assert secret not in output
        assert files_with(lake, secret) == ([str(lake / "listen" / "callback.token")] if secret == token else [])
    if os.name == "posix":
        assert stat.S_IMODE((lake / "listen").stat().st_mode) == 0o700
        assert stat.S_IMODE((lake / "listen" / "callback.token").stat().st_mode) == 0o600
    with listening(hume, lake) as listener:
        assert listener.callback_url == listener.url + callback_url


def test_without_a_key_it_does_not_start(hume: Sandbox, tmp_path: Path) -> None:
    process = command(hume, tmp_path / "lake", HUME_WEBHOOK_SIGNING_KEY="")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--insecure" in output
    without = settings_of(hume, webhook_signing_keys=None)
    with pytest.raises(SettingsError, match="HUME_WEBHOOK_SIGNING_KEY"), ha.Listener(tmp_path / "lake", port=0, settings=without):
        pass
    with pytest.raises(UsageError, match="insecure"), listening(hume, tmp_path / "lake", insecure=True):
        pass
    assert not (tmp_path / "lake").exists()


def test_insecure_takes_what_nobody_signed(hume: Sandbox, tmp_path: Path) -> None:
    chat_id, without = ended_chats(hume)[0]["id"], settings_of(hume, webhook_signing_keys=None)
    with ha.Listener(tmp_path / "lake", port=0, insecure=True, settings=without) as listener:
        body = {"event_name": "chat_ended", "chat_id": chat_id}
        assert httpx.post(listener.webhook_url, json=body).status_code == 200
        assert listener.wait_until_done(30)
    assert_exported(hume, tmp_path / "lake", {chat_id})


def test_one_lake_has_one_listener_and_it_is_on_this_machine_only(hume: Sandbox, tmp_path: Path) -> None:
    with listening(hume, tmp_path / "lake") as listener:
        assert listener.url.startswith("http://127.0.0.1:")
        with pytest.raises(LakeLocked, match="listen"), listening(hume, tmp_path / "lake"):
            pass
    assert repr(listener).startswith("<Listener http://127.0.0.1:")
    assert "token" not in repr(listener)
