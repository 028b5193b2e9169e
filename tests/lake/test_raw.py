from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humeanalytics.errors import DiskFull, UnreadableResponse, UsageError
from humeanalytics.lake.lake import Lake
from humeanalytics.lake.raw import RawStore
from humeanalytics.redaction import redact_bytes

ANSWER = b'[{"source": {"type": "url", "url": "https://x.com/a.mp4?id=5&X-Amz-Signature=secret"}, "results": null}]'


def files(store: RawStore) -> list[str]:
    return sorted(p.relative_to(store.folder).as_posix() for p in store.folder.rglob("*") if p.is_file())


def test_an_answer_is_kept_redacted_under_the_hash_of_what_is_kept(lake: Lake) -> None:
    with lake.raw.writer("batch", "predictions") as writer:
        for i in range(0, len(ANSWER), 7):
            writer.write(ANSWER[i : i + 7])
        kept = writer.commit({"origin": "api.hume.ai"})
    clean = redact_bytes(ANSWER)
    assert b"secret" not in clean
    assert kept.response_id == hashlib.sha256(clean).hexdigest()
    assert kept.path == f"batch/predictions/{kept.response_id[:2]}/{kept.response_id}.json.zst"
    assert kept.size_bytes == len(clean)
    for name in (kept.response_id, kept.path):
        with lake.raw.open(name) as stream:
            assert stream.read() == clean


def test_the_sidecar_says_what_it_takes_to_read_it_again(lake: Lake) -> None:
    with lake.raw.writer("batch", "predictions") as writer:
        writer.write(ANSWER)
        kept = writer.commit({"origin": "api.hume.ai", "uri": "https://x.com/?id=1&Signature=abc", "members": {"a.wav": "r1"}})
    meta = lake.raw.meta(kept.response_id)
    assert meta == {
        "api": "batch",
        "kind": "predictions",
        "response_id": kept.response_id,
        "path": kept.path,
        "size_bytes": kept.size_bytes,
        "origin": "api.hume.ai",
        "uri": "https://x.com/?id=1&Signature=",
        "members": {"a.wav": "r1"},
    }


def test_the_same_answer_is_kept_once_and_remembers_each_job_it_came_from(lake: Lake) -> None:
    def keep(job: str, received_at: str) -> str:
        with lake.raw.writer("batch", "predictions") as writer:
            writer.write(ANSWER)
            return writer.commit({"hume_job_id": job, "received_at": received_at}).response_id

    first = keep("job-a", "2026-01-02")
    assert keep("job-a", "2026-01-05") == first
    assert keep("job-b", "2026-01-01") == first
    assert [(m["hume_job_id"], m["received_at"]) for m in lake.raw.metas(first)] == [
        ("job-b", "2026-01-01"),
        ("job-a", "2026-01-02"),
    ]
    assert lake.raw.meta(first)["hume_job_id"] == "job-b"
    assert len([f for f in files(lake.raw) if f.endswith(".zst")]) == 1


def test_an_archive_is_kept_byte_for_byte(lake: Lake) -> None:
    packed = b"PK\x03\x04" + ANSWER
    with lake.raw.writer("batch", "artifacts", "zip", redact=False) as writer:
        writer.write(packed)
        kept = writer.commit()
    assert kept.response_id == hashlib.sha256(packed).hexdigest()
    assert (lake.raw.folder / kept.path).read_bytes() == packed
    with lake.raw.open(kept.response_id) as stream:
        assert stream.read() == packed


def test_an_answer_that_fails_on_its_way_leaves_nothing(lake: Lake) -> None:
    with pytest.raises(ConnectionError), lake.raw.writer("batch", "predictions") as writer:
        writer.write(ANSWER)
        raise ConnectionError
    with lake.raw.writer("batch", "predictions") as forgotten:
        forgotten.write(ANSWER)
    assert files(lake.raw) == []


def test_list_gives_all_there_is(lake: Lake) -> None:
    expected = set()
    for api, kind, body in [("batch", "predictions", b"[]"), ("batch", "job", b"{}"), ("evi", "events", b"[1]")]:
        with lake.raw.writer(api, kind) as writer:
            writer.write(body)
            kept = writer.commit()
        expected.add((api, kind, kept.response_id, kept.path))
    assert {(f.api, f.kind, f.response_id, f.path) for f in lake.raw.list()} == expected
    assert [f.kind for f in lake.raw.list("batch", "job")] == ["job"]


def test_an_unknown_answer_is_named(lake: Lake) -> None:
    with pytest.raises(UnreadableResponse, match=f"No answer {'0' * 64}"):
        lake.raw.open("0" * 64)
    with pytest.raises(UnreadableResponse):
        lake.raw.meta("0" * 64)
    with pytest.raises(UnreadableResponse):
        lake.raw.open("../lake.json")


@pytest.mark.parametrize("word", ["../x", "", "a/b", "A"])
def test_a_kind_cannot_lead_elsewhere(lake: Lake, word: str) -> None:
    with pytest.raises(UsageError):
        lake.raw.writer("batch", word)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_keeps_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    real = pa.OSFile
    monkeypatch.setattr(pa, "OSFile", lambda path, mode: real("/dev/full", mode) if mode == "wb" else real(path, mode))
    with pytest.raises(DiskFull, match="No space left"), lake.raw.writer("batch", "predictions") as writer:
        for _ in range(50):
            writer.write(os.urandom(100_000))
        writer.commit()
    assert files(lake.raw) == []


WRITER = """
import sys
from pathlib import Path
from humeanalytics.lake.raw import RawStore
store = RawStore(Path(sys.argv[1]))
n = 0
while True:
    with store.writer("batch", "predictions") as writer:
        writer.write(b'{"n": %d, "pad": "' % n + b"x" * 300_000 + b'"}')
        print(writer.commit({"n": n}).response_id, flush=True)
    n += 1
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_kill_at_any_moment_leaves_whole_answers_with_their_sidecars(lake: Lake) -> None:
    for delay_s in (0.0, 0.013, 0.031):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(lake.raw.folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = [process.stdout.readline().strip()]
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().split()
        process.wait()
        kept = {f.response_id for f in lake.raw.list()}
        assert {t for t in told if len(t) == 64} <= kept
        for response_id in kept:
            with lake.raw.open(response_id) as stream:
                assert hashlib.sha256(body := stream.read()).hexdigest() == response_id
            assert lake.raw.meta(response_id)["n"] == json.loads(body)["n"]


def test_leftovers_of_dead_writers_go_and_others_stay(lake: Lake) -> None:
    incoming = lake.raw.folder / ".incoming"
    incoming.mkdir(parents=True)
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True).stdout.strip()
    here, hour, week = socket.gethostname(), 3600, 7 * 86400
    ages = {
        f"{here}@{dead}.long": 2 * hour,
        f"{here}@{dead}.just": 60,
        f"{here}@{os.getpid()}.mine": 2 * hour,
        "elsewhere@1.recent": 2 * hour,
        "elsewhere@1.old": 2 * week,
    }
    for name, age_s in ages.items():
        (incoming / name).write_bytes(b"x")
        os.utime(incoming / name, (time.time() - age_s,) * 2)
    with lake.raw.writer("batch", "predictions"):
        pass
    assert sorted(p.name.partition(".")[2] for p in incoming.iterdir()) == ["just", "mine", "recent"]


@settings(max_examples=25, deadline=None)
@given(chunks=st.lists(st.binary(max_size=400), max_size=12), redact=st.booleans())
def test_whatever_comes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], redact: bool) -> None:
    store = RawStore(tmp_path_factory.mktemp("raw"))
    with store.writer("batch", "predictions", redact=redact) as writer:
        for chunk in chunks:
            writer.write(chunk)
        kept = writer.commit()
    whole = redact_bytes(b"".join(chunks)) if redact else b"".join(chunks)
    with store.open(kept.response_id) as stream:
        assert stream.read() == whole
    assert kept.size_bytes == len(whole)
