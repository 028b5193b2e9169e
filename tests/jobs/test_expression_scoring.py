"""`score` by v1, as people use it: folders of anything, night after night, within a budget, with a key that may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spoken import speech, talk, write_wav
from voices import write_voice

import humeanalytics as ha
from humeanalytics.errors import AuthenticationFailed, DiskFull, PermissionDenied, SettingsError, UsageError
from humeanalytics.jobs.dry_run import dry_run_of
from humeanalytics.jobs.expression_scoring import expression_scoring, read_expression_scoring
from humeanalytics.jobs.reconciling import reconcile
from humeanalytics.lake.raw import RawStore
from humeanalytics.samples import sample
from humeanalytics.sandbox.embedded import Sandbox

UPLOAD = "/v1/expression/*/file"
SandboxWith = Callable[..., Sandbox]


def rows(lake: Path, sql: str) -> list[dict[str, Any]]:
    with ha.open_lake(lake) as opened:
        return opened.sql(sql).rows()


# ------------------------------------------------------------------------------------------------ as a nightly job would
def test_the_second_night_sends_only_what_is_new(voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(5), tmp_path / "lake"
    first = ha.score(folder, lake, settings=hume.settings)
    assert (first.exit_code, first.recordings["scored"], first.billed_s) == (0, 5, 50.0)
    write_voice(folder / "later.wav", 77)
    second = ha.score(folder, lake, settings=hume.settings)
    assert (second.recordings["known"], second.recordings["scored"], second.billed_s) == (5, 1, 10.0)
    third = ha.score(folder, lake, settings=hume.settings)
    assert (third.exit_code, third.recordings["known"], third.billed_s, third.uploads) == (0, 6, 0.0, {})
    assert len(hume.submissions()) == 6
    assert rows(lake, "SELECT count(*) AS n, sum(billed_s) AS s FROM uploads") == [{"n": 6, "s": 60.0}]
    assert rows(lake, "SELECT count(DISTINCT recording_id) AS n FROM audio_scores") == [{"n": 6}]


def test_the_same_sound_twice_is_sent_once_and_again_only_by_force(
    voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path
) -> None:
    folder, lake = voices(1), tmp_path / "lake"
    (folder / "copy.wav").write_bytes((folder / "0000.wav").read_bytes())
    assert ha.score(folder, lake, settings=hume.settings).billed_s == 10.0
    other = ha.score(folder, lake, settings=hume.settings, options={"measurement_timer_ms": 5000})
    assert other.billed_s == 10.0, "other settings are another scoring"
    again = ha.score(folder, lake, settings=hume.settings, force=True)
    assert (again.billed_s, again.rows, len(hume.submissions())) == (10.0, {}, 3)
    assert rows(lake, "SELECT count(*) AS n FROM items") == [{"n": 2}]


# ------------------------------------------------------------------------------------------------ sound and pictures
def test_sound_and_picture_of_a_video_in_one_go(hume: Sandbox, tmp_path: Path) -> None:
    film, lake = sample("012_greeting.mp4"), tmp_path / "lake"
    summary = ha.score(film, lake, settings=hume.settings, options={"fps": 1})
    assert summary.exit_code == 0, str(summary)
    assert rows(lake, "SELECT model, count(*) AS n FROM scorings GROUP BY ALL ORDER BY ALL") == [
        {"model": "audio", "n": 1},
        {"model": "video", "n": 1},
    ]
    times = [row["time_s"] for row in rows(lake, "SELECT time_s FROM video_frames ORDER BY frame_id")]
    assert times[:3] == [0.0, 1.0, 2.0]
    assert rows(lake, "SELECT DISTINCT state FROM jobs") == [{"state": "loaded"}]


def test_each_channel_is_a_speaker_of_its_own(hume: Sandbox, tmp_path: Path) -> None:
    call = np.zeros((16_000 * 12, 2), np.int16)
    call[16_000 : 3 * 16_000, 0] = speech(2, 0)
    call[6 * 16_000 : 10 * 16_000, 1] = speech(4, 1)
    write_wav(tmp_path / "calls/call.wav", call)
    summary = ha.score(tmp_path / "calls", tmp_path / "lake", settings=hume.settings, options={"channels": "split"})
    assert (summary.exit_code, summary.billed_s) == (0, 24.0)
    spoken = rows(
        tmp_path / "lake", "SELECT channel, round(begin_s) AS begin_s, round(end_s) AS end_s FROM audio_utterances ORDER BY 1"
    )
    assert spoken == [{"channel": 0, "begin_s": 1, "end_s": 3}, {"channel": 1, "begin_s": 6, "end_s": 10}]


def test_photos_go_together_and_are_told_apart(hume: Sandbox, tmp_path: Path) -> None:
    for number in range(4):
        _photo(tmp_path / f"photos/{number}.jpg", number)
    summary = ha.score(tmp_path / "photos", tmp_path / "lake", settings=hume.settings)
    assert (summary.exit_code, summary.recordings["scored"], summary.billed_s) == (0, 4, 10.0), str(summary)
    told = (
        "SELECT box_x0, box_y0, measured, confidence FROM video_faces JOIN items USING (recording_id) "
        "WHERE name = '{}' ORDER BY ALL"
    )
    for number in range(4):
        alone = tmp_path / f"lake{number}"
        ha.score(tmp_path / f"photos/{number}.jpg", alone, settings=hume.settings)
        faces = rows(alone, told.format(f"{number}.jpg"))
        assert rows(tmp_path / "lake", told.format(f"{number}.jpg")) == faces != []
    seen = rows(tmp_path / "lake", "SELECT count(*) FILTER (NOT measured) AS n FROM video_faces")[0]["n"]
    assert rows(tmp_path / "lake", "SELECT sum(unmeasured_faces) AS n FROM coverage") == [{"n": seen}]
    assert any(f"{seen} faces were seen and not measured" in note for note in summary.notes) == (seen > 0)


def test_one_bad_picture_voids_a_request_and_not_the_rest(hume: Sandbox, tmp_path: Path) -> None:
    for number in range(9):
        _photo(tmp_path / f"photos/{number}.jpg", number)
    _spoil(tmp_path / "photos/4.jpg")
    lake = tmp_path / "lake"
    summary = ha.score(tmp_path / "photos", lake, settings=hume.settings)
    assert (summary.exit_code, summary.recordings["scored"], summary.recordings["failed"]) == (3, 8, 1), str(summary)
    assert rows(lake, "SELECT name FROM errors JOIN items USING (recording_id)") == [{"name": "4.jpg"}]
    assert rows(lake, "SELECT count(DISTINCT recording_id) AS n FROM video_frames") == [{"n": 8}]
    sent = [item["fingerprint"] for item in hume.submissions()]
    assert len(sent) == len(set(sent)) == 8
    again = ha.score(tmp_path / "photos", lake, settings=hume.settings)
    assert (again.exit_code, again.recordings["failed_before"], again.billed_s) == (0, 1, 0.0)


def test_faces_keep_their_numbers_over_the_uploads_of_a_film(
    sandbox_with: SandboxWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film in several packs is one chain of faces; where the state is too old, the next one is told apart."""
    from humeanalytics.media import frames, packing

    monkeypatch.setattr(frames, "packed", lambda pictures, **_: packing.packed(pictures, most=10, least=1))
    hume = sandbox_with()
    ha.score(sample("012_greeting.mp4"), tmp_path / "lake", models=["video"], settings=hume.settings)
    packs = rows(tmp_path / "lake", "SELECT chunk, frames, face_chain FROM uploads ORDER BY chunk")
    assert len(packs) >= 2 and {pack["face_chain"] for pack in packs} == {0}
    assert [pack["chunk"] for pack in packs] == list(range(len(packs)))
    faces = rows(tmp_path / "lake", "SELECT DISTINCT face_id, face_chain FROM video_faces WHERE measured")
    persons = {face["face_id"] for face in faces}
    from humeanalytics.jobs import expression_sending

    monkeypatch.setattr(expression_sending, "_FACE_STATE_S", 0.0)
    ha.score(sample("012_greeting.mp4"), tmp_path / "other", models=["video"], settings=hume.settings)
    told = rows(tmp_path / "other", "SELECT face_chain FROM uploads ORDER BY chunk")
    assert [each["face_chain"] for each in told] == list(range(len(packs)))
    others = {face["face_id"] for face in rows(tmp_path / "other", "SELECT DISTINCT face_id FROM video_faces WHERE measured")}
    assert len(others) > len(persons)


# ------------------------------------------------------------------------------------------------ what goes wrong
def test_bad_files_are_told_of_and_stop_nothing(hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = tmp_path / "mixed", tmp_path / "lake"
    write_voice(folder / "good.wav", 1)
    write_wav(folder / "silence.wav", np.zeros(16_000 * 3, np.int16))
    (folder / "empty.wav").write_bytes(b"")
    (folder / "broken.mp4").write_bytes(sample("012_greeting.mp4").read_bytes()[:3000])
    (folder / "words.txt").write_text("not for v1")
    summary = ha.score(folder, lake, models=["audio"], settings=hume.settings)
    assert (summary.exit_code, summary.recordings["scored"]) == (3, 2), str(summary)
    assert (summary.recordings["refused"], summary.recordings["unsuited"]) == (2, 1)
    errors = {Path(row["uri"]).name: row["message"] for row in rows(lake, "SELECT uri, message FROM errors")}
    assert set(errors) == {"empty.wav", "broken.mp4"} and "0 bytes" in errors["empty.wav"]
    scored = "SELECT i.name, s.rows FROM scorings AS s JOIN items AS i USING (recording_id) ORDER BY ALL"
    assert [row["name"] for row in rows(lake, scored)] == ["good.wav", "silence.wav"]
    assert rows(lake, scored)[1]["rows"] == 0, "silence is an answer, of no rows"
    again = ha.score(folder, lake, models=["audio"], settings=hume.settings)
    assert (again.exit_code, again.recordings["failed_before"], again.billed_s) == (0, 2, 0.0)


@pytest.mark.parametrize(
    ("samples", "rate_hz"), [(np.tile(speech(3, 0)[:, None], (1, 2)), 44_100), (np.tile(speech(3, 1)[:, None], (1, 6)), 48_000)]
)
def test_other_forms_of_sound_are_made_to_fit(samples: Any, rate_hz: int, hume: Sandbox, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "sound.wav", samples, rate_hz=rate_hz)
    assert ha.score(wav, tmp_path / "lake", settings=hume.settings).exit_code == 0
    (upload,) = rows(tmp_path / "lake", "SELECT duration_s, received_s FROM uploads")
    assert (
        upload["received_s"] == pytest.approx(len(samples) / rate_hz, abs=0.002) == pytest.approx(upload["duration_s"], abs=0.002)
    )


def test_a_film_without_sound_is_scored_by_its_pictures(hume: Sandbox, tmp_path: Path) -> None:
    photo = _photo(tmp_path / "photo.jpg", 1)
    film = _film_of(photo, tmp_path / "film.mkv")
    summary = ha.score(film, tmp_path / "lake", settings=hume.settings)
    assert (summary.exit_code, summary.recordings["scored"]) == (3, 1)
    assert rows(tmp_path / "lake", "SELECT model, message LIKE '%has no sound%' AS told FROM errors") == [
        {"model": "audio", "told": True}
    ]
    assert rows(tmp_path / "lake", "SELECT model FROM scorings") == [{"model": "video"}]


def test_a_file_that_changed_is_taken_up_by_the_next_run(hume: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from humeanalytics.jobs import expression_work

    wav = write_voice(tmp_path / "recordings/growing.wav", 1)
    honest = expression_work.parts_of

    def parts(*arguments: Any) -> Any:
        write_voice(wav, 2, 1.0)  # the recorder went on
        return honest(*arguments)

    monkeypatch.setattr(expression_work, "parts_of", parts)
    summary = ha.score(wav.parent, tmp_path / "lake", models=["audio"], settings=hume.settings)
    assert (summary.exit_code, summary.billed_s) == (3, 0.0)
    assert "changed" in summary.errors[0]["message"]
    monkeypatch.undo()
    assert ha.score(wav.parent, tmp_path / "lake", models=["audio"], settings=hume.settings).recordings["scored"] == 1


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationFailed), (403, PermissionDenied)])
def test_a_key_that_may_not_ends_the_run_which_goes_on_later(
    status: int, error: type[Exception], voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path
) -> None:
    folder, lake = voices(12), tmp_path / "lake"
    hume.set_faults([{"path": UPLOAD, "status": status, "after": 5}])
    with pytest.raises(error) as raised:
        ha.score(folder, lake, settings=hume.settings)
    assert getattr(raised.value, "exit_code", None) == 4
    scored = rows(lake, "SELECT count(*) AS n FROM scorings")[0]["n"]
    assert scored == 5 == len(hume.submissions()), "what had been measured is in the lake"
    assert rows(lake, "SELECT exit_code FROM runs") == [{"exit_code": 4}]
    hume.set_faults([])
    assert ha.score(folder, lake, settings=hume.settings).recordings["scored"] == 7
    assert len(hume.submissions()) == 12


def test_a_full_disk_ends_the_run_which_goes_on_later(
    voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, lake, opened = voices(8), tmp_path / "lake", 0
    honest = RawStore.writer

    def writer(self: RawStore, api: str, kind: str, suffix: str = "json", **options: Any) -> Any:
        nonlocal opened
        opened += api == "expression"
        if opened > 3 and api == "expression":
            raise DiskFull("No space left.")
        return honest(self, api, kind, suffix, **options)

    monkeypatch.setattr(RawStore, "writer", writer)
    with pytest.raises(DiskFull) as raised:
        ha.score(folder, lake, settings=hume.settings)
    assert raised.value.exit_code == 75
    monkeypatch.undo()
    assert len(hume.submissions()) == 3
    assert ha.score(folder, lake, settings=hume.settings).exit_code == 0
    assert len(hume.submissions()) == 8


def test_the_budget_is_not_passed(voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = voices(8), tmp_path / "lake"
    summary = ha.score(folder, lake, settings=hume.settings, budget_s=35)
    assert (summary.exit_code, summary.billed_s, summary.recordings["scored"]) == (5, 30.0, 3)
    assert len(hume.submissions()) == 3
    assert ha.score(folder, lake, settings=hume.settings).recordings["scored"] == 5
    assert len(hume.submissions()) == 8


def test_a_run_goes_on_in_the_middle_of_a_long_recording(hume: Sandbox, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "recordings/long.wav", talk([(2.0, 5.0)] * 20))
    short = hume.settings.model_copy(update={"expression_chunk_s": 30.0})
    first = ha.score(wav.parent, tmp_path / "lake", settings=short, budget_s=70)
    assert first.exit_code == 5 and 1 <= len(hume.submissions()) <= 3
    last = ha.score(wav.parent, tmp_path / "lake", settings=short)
    assert last.exit_code == 0 and last.recordings["scored"] == 1
    sent = [item["fingerprint"] for item in hume.submissions()]
    assert len(sent) == len(set(sent)) >= 5
    assert rows(tmp_path / "lake", "SELECT count(*) AS n FROM audio_utterances") == [{"n": 20}]


# ------------------------------------------------------------------------------------------------ lost answers
def test_a_lost_answer_is_looked_for_and_sent_again_only_as_told(hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = tmp_path / "recordings", tmp_path / "lake"
    for number in range(4):
        write_voice(folder / f"{number}.wav", number, 1.0 + number)  # lengths by which the list of runs tells them apart
    settings = hume.settings.model_copy(update={"settle_s": 0.2, "concurrency": 1})
    hume.set_faults(
        [{"path": UPLOAD, "drop_after": True, "times": 1}, {"path": UPLOAD, "drop_before": "received", "after": 1, "times": 1}]
    )
    never = ha.score(folder, lake, settings=settings)
    assert (never.exit_code, never.recordings["scored"], never.recordings["unknown"]) == (3, 2, 2)
    hume.set_faults([])
    hume.advance_clock(5)
    found = reconcile(lake, settings=settings)
    assert (found.uploads, found.exit_code) == ({"billed": 1, "not billed": 1}, 3), str(found)
    assert reconcile(lake, settings=settings).uploads == found.uploads, "what was found once is told again until it is sent"
    assert len(hume.submissions()) == 3, "to look sends nothing"
    unbilled = ha.score(folder, lake, settings=settings, resend_unknown="unbilled")
    assert (unbilled.recordings["scored"], unbilled.recordings["unknown"], unbilled.in_doubt_s) == (1, 1, 0.0)
    always = ha.score(folder, lake, settings=settings, resend_unknown="always")
    assert (always.exit_code, always.recordings["scored"], always.in_doubt_s) == (0, 1, 10.0)
    assert any("may have been billed twice" in note for note in always.notes)
    assert len(hume.submissions()) == 5
    assert rows(lake, "SELECT state, billed, count(*) AS n FROM uploads GROUP BY ALL ORDER BY ALL") == [
        {"state": "received", "billed": "yes", "n": 4},
        {"state": "unknown", "billed": "no", "n": 1},
        {"state": "unknown", "billed": "yes", "n": 1},
    ]


def test_an_answer_that_lies_there_though_nobody_noted_it_is_not_asked_for_again(
    voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from humeanalytics.jobs import expression_sending

    folder, lake = voices(1), tmp_path / "lake"

    def killed(*_: Any) -> None:
        raise RuntimeError("killed between the answer and the note of it")

    monkeypatch.setattr(expression_sending, "take_note", killed)
    with pytest.raises(RuntimeError, match="killed"):
        ha.score(folder, lake, settings=hume.settings)
    monkeypatch.undo()
    summary = ha.score(folder, lake, settings=hume.settings)
    assert (summary.exit_code, summary.recordings["scored"], summary.billed_s) == (0, 1, 0.0), str(summary)
    assert len(hume.submissions()) == 1


# ------------------------------------------------------------------------------------------------ told beforehand, made again
def test_a_dry_run_tells_what_each_recording_costs(voices: Callable[[int], Path], hume: Sandbox, tmp_path: Path) -> None:
    folder = voices(2)
    write_wav(folder / "long.wav", talk([(2.0, 8.0)] * 100))
    _photo(folder / "photo.jpg", 1)
    settings = hume.settings.model_copy(update={"expression_usd_per_s": 0.001})
    plan = dry_run_of([str(folder)], str(tmp_path / "lake"), settings=settings)
    told = {Path(each.uri).name: (each.seconds, each.requests, each.billed_s) for each in plan.planned}  # type: ignore[union-attr]
    assert told["long.wav"] == (1000.0, 2, 1000.0) and told["0000.wav"][1:] == (1, 10.0)
    summary = ha.score(folder, tmp_path / "lake", settings=settings)
    assert plan.to_dict()["billed_s"] == pytest.approx(summary.billed_s) == pytest.approx(1030.0)
    assert plan.to_dict()["cost_usd"] == pytest.approx(summary.cost_usd) == pytest.approx(1.03)
    assert plan.to_dict()["requests"] == sum(summary.uploads.values()) == 5
    assert dry_run_of([str(folder)], str(tmp_path / "lake"), settings=settings).to_dict()["planned"] == []


def test_tables_are_rebuilt_from_raw(hume: Sandbox, tmp_path: Path) -> None:
    folder, lake = tmp_path / "recordings", tmp_path / "lake"
    write_wav(folder / "long.wav", talk([(2.0, 5.0)] * 12))
    for number in range(3):
        _photo(folder / f"{number}.jpg", number)
    ha.score(folder, lake, settings=hume.settings.model_copy(update={"expression_chunk_s": 30.0}))
    tables = ("scorings", "uploads", "audio_utterances", "audio_scores", "video_frames", "video_faces", "video_scores")
    before = {name: _told(lake, name) for name in tables}
    summary = ha.rebuild(lake)
    assert summary.exit_code == 0, str(summary)
    assert {name: _told(lake, name) for name in tables} == before


def _told(lake: Path, table: str) -> list[Any]:
    left_out = ("load_id", "loaded_at", "noted_at")
    told = [{k: v for k, v in row.items() if k not in left_out} for row in rows(lake, f"SELECT * FROM {table}")]
    return sorted(map(repr, told))


# ------------------------------------------------------------------------------------------------ settings
def test_settings_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "scoring.toml").write_text(
        "[models.audio]\nchannels = 'split'\n[models.video]\nfps = 1\ncrop = [0, 0, 640, 360]\n"
    )
    read = read_expression_scoring(tmp_path / "scoring.toml")
    given = expression_scoring(options={"channels": "split", "fps": 1.0, "crop": "0,0,640,360"})
    assert read.settings_id == given.settings_id != expression_scoring().settings_id
    assert json.loads(read.canonical_json)["models"]["audio"]["measurement_timer_ms"] == 3000


@pytest.mark.parametrize(
    ("models", "options"),
    [
        (["prosody"], {}),
        (["audio"], {"fps": 1}),
        (["video"], {"fps": 0}),
        (["video"], {"crop": "1,2,3"}),
        (["audio"], {"measurement_timer_ms": 100}),
        (["audio"], {"channels": "left"}),
        (["video"], {"threshold": 2}),
        ([], {"granularity": "word"}),
    ],
)
def test_settings_that_mean_nothing(models: list[str], options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        expression_scoring(models or None, options=options)


def test_what_v1_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no URLs"):
        ha.score("https://example.com/a.wav", tmp_path / "lake")
    with pytest.raises(UsageError, match="sent again"):
        ha.score(write_voice(tmp_path / "a.wav", 1), tmp_path / "lake", resend_unknown="sometimes")


# ------------------------------------------------------------------------------------------------ pictures for these tests
def _photo(path: Path, number: int) -> Path:
    """A JPEG with a picture of its own."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    x, y = np.meshgrid(np.arange(640), np.arange(480))
    picture = [127 + 100 * np.sin(x * (0.01 + 0.003 * number) + c) * np.cos(y * 0.02 * (c + 1)) for c in range(3)]
    Image.fromarray(np.stack(picture, axis=2).astype(np.uint8)).save(path, quality=90)
    return path


def _spoil(photo: Path) -> None:
    """Damage a JPEG so that Pillow reads it as it can, and a strict decoder refuses it."""
    content = bytearray(photo.read_bytes())
    scan = content.index(b"\xff\xda") + 200
    content[scan : scan + 400] = bytes(range(1, 201)) * 2
    photo.write_bytes(content)


def _film_of(photo: Path, film: Path) -> Path:
    import av
    from PIL import Image

    picture = np.asarray(Image.open(photo).convert("RGB"))
    with av.open(str(film), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return film
