"""What was said while something was measured: by time on the recording's clock, each measured window and frame once."""

from __future__ import annotations

import random
from typing import Any

from lake_rows import at, commit, item, scoring

from humeanalytics.lake.lake import Lake

WINDOW = {"recording_id": "r", "scoring_id": "a", "utterance_id": 0}


def window(measurement_id: int, begin_s: float, end_s: float, **more: Any) -> dict[str, Any]:
    """A row of ``audio_measurements``."""
    return {**WINDOW, "measurement_id": measurement_id, "begin_s": begin_s, "end_s": end_s, **more}


def said(nth: int, begin_s: float | None, end_s: float | None, text: str | None, **more: Any) -> dict[str, Any]:
    """A row of ``words``."""
    times = {"nth": nth, "begin_s": begin_s, "end_s": end_s}
    return {"recording_id": "r", "source_id": "s", "level": "word", "text": text, **times, **more}


def source(source_id: str = "s", minutes: float = 0, **more: Any) -> dict[str, Any]:
    """A row of ``word_sources``."""
    counts = {"rows": 1, "words": 1, "texts": 1, "speakers": 1}
    known = {"recording_id": "r", "uri": f"/data/{source_id}.vtt", "sha256": source_id, "read_at": at(minutes)}
    return {"source_id": source_id, **known, **counts, **more}


def measured(lake: Lake, *windows: dict[str, Any]) -> None:
    commit(lake, "measured", audio_measurements=list(windows), scorings=[scoring("a", "r", "audio")])


def rows(lake: Lake, columns: str = "measurement_id, text, speaker_id, speakers") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in lake.sql(f"SELECT {columns} FROM spoken ORDER BY ALL").rows()]


def test_a_window_has_the_words_that_lie_in_it_even_in_part_and_those_that_touch_it_not(lake: Lake) -> None:
    measured(lake, window(0, 1.0, 4.0), window(1, 2.0, 5.0), window(2, 20.0, 23.0))
    words = [
        said(0, 0.0, 1.0, "before", speaker_id="Anna"),
        said(1, 0.5, 1.5, "one", speaker_id="Anna"),
        said(2, 3.0, 3.5, "two", speaker_id="Bob"),
        said(3, 4.0, 4.5, "three", speaker_id="Bob"),
        said(4, None, None, "untimed", speaker_id="Bob"),
        said(5, 5.0, 6.0, "after", speaker_id="Anna"),
    ]
    commit(lake, "w", words=words, word_sources=[source()])
    assert rows(lake) == [(0, "one two", "Anna", 2), (1, "two three", "Bob", 1), (2, None, None, 0)]


def test_two_speakers_at_once_give_one_row_that_names_who_speaks_longest(lake: Lake) -> None:
    measured(lake, window(0, 0.0, 10.0))
    words = [said(0, 0.0, 6.0, "long", speaker_id="Anna"), said(1, 1.0, 4.0, "short", speaker_id="Bob")]
    commit(lake, "w", words=words, word_sources=[source(speakers=2)])
    assert rows(lake, "text, speaker_id, speaker_s, speakers") == [("long short", "Anna", 6.0, 2)]


def test_several_scores_of_a_window_meet_its_words_once(lake: Lake) -> None:
    scores = [{**window(0, 0.0, 3.0), "kind": "expression", "name": name, "probability": 0.5} for name in ("joy", "calm")]
    measured(lake, window(0, 0.0, 3.0))
    commit(lake, "s", audio_scores=scores)
    commit(lake, "w", words=[said(0, 0.5, 1.0, "hi"), said(1, 1.0, 2.0, "you")], word_sources=[source(speakers=0)])
    joined = lake.sql("SELECT name, text FROM spoken JOIN audio_scores USING (scoring_id, measurement_id) ORDER BY name").rows()
    assert joined == [{"name": "calm", "text": "hi you"}, {"name": "joy", "text": "hi you"}]


def test_words_of_a_channel_meet_its_windows_only_and_words_of_none_meet_all(lake: Lake) -> None:
    measured(lake, window(0, 0.0, 3.0, channel=0), window(1, 0.0, 3.0, channel=1))
    words = [said(0, 0.0, 1.0, "left", channel=0), said(1, 1.0, 2.0, "right", channel=1), said(2, 2.0, 3.0, "both")]
    commit(lake, "w", words=words, word_sources=[source(speakers=0)])
    assert rows(lake, "channel, text") == [(0, "left both"), (1, "right both")]


def test_words_of_channels_all_meet_a_window_of_the_mix(lake: Lake) -> None:
    measured(lake, window(0, 0.0, 3.0))
    words = [said(0, 0.0, 1.0, "left", channel=0), said(1, 0.0, 1.0, "right", channel=1)]
    commit(lake, "w", words=words, word_sources=[source(speakers=0)])
    assert rows(lake, "text") == [("left right",)]


def test_a_frame_has_the_word_that_is_being_said(lake: Lake) -> None:
    frames = [{"recording_id": "r", "scoring_id": "v", "frame_id": i, "time_s": i / 2, "faces": 1} for i in range(4)]
    commit(lake, "v", video_frames=frames, scorings=[scoring("v", "r", "video")])
    words = [said(0, 0.0, 0.5, "one"), said(1, 0.5, 0.75, "two"), said(2, 1.5, 1.5, "!")]
    commit(lake, "w", words=words, word_sources=[source(speakers=0)])
    assert rows(lake, "frame_id, model, text") == [
        (0, "video", "one"),
        (1, "video", "two"),
        (2, "video", None),
        (3, "video", "!"),
    ]


def test_text_is_of_one_transcript_and_speakers_of_another_that_has_none(lake: Lake) -> None:
    measured(lake, window(0, 0.0, 3.0))
    commit(
        lake,
        "w",
        words=[
            said(0, 0.0, 3.0, "a cue of subtitles", source_id="cues", level="segment"),
            said(0, 0.0, 1.0, "a", source_id="spoken"),
            said(1, 1.0, 2.0, "cue", source_id="spoken"),
            said(0, 0.0, 2.5, None, source_id="turns", level="turn", speaker_id="Bob"),
        ],
        word_sources=[
            source("cues", 9, words=0, speakers=0),
            source("spoken", 1, speakers=0),
            source("turns", 2, words=0, texts=0),
        ],
    )
    told = rows(lake, "text, speaker_id, speaker_s, text_uri, speaker_uri")
    assert told == [("a cue", "Bob", 2.5, "/data/spoken.vtt", "/data/turns.vtt")]


def test_recordings_meet_under_whatever_id_they_are_known(lake: Lake) -> None:
    measured(lake, window(0, 0.0, 3.0, recording_id="name:x/audio"))
    commit(lake, "t", recording_aliases=[{"alias_id": "name:x/audio", "recording_id": "r", "reason": "name"}])
    commit(lake, "w", words=[said(0, 0.0, 1.0, "hi")], word_sources=[source()])
    assert rows(lake, "recording_id, text") == [("name:x/audio", "hi")]


def test_the_newest_reading_of_a_file_holds_and_all_stay(lake: Lake) -> None:
    measured(lake, window(0, 0.0, 3.0))
    for minutes, source_id, text in ((0, "old", "helo"), (1, "new", "hello")):
        commit(
            lake,
            source_id,
            words=[said(0, 0.0, 1.0, text, source_id=source_id)],
            word_sources=[source(source_id, minutes, uri="/data/talk.vtt")],
        )
    assert rows(lake, "text") == [("hello",)]
    assert lake.sql("SELECT text FROM words").rows() == [{"text": "hello"}]
    assert lake.sql("SELECT count(*) AS n FROM words_all").rows() == [{"n": 2}]


def test_a_copy_of_a_file_adds_nothing(lake: Lake) -> None:
    commit(lake, "w", words=[said(0, 0.0, 1.0, "hi")], word_sources=[source(), source(uri="/data/copy.vtt")])
    assert lake.sql("SELECT text FROM words").rows() == [{"text": "hi"}]
    assert lake.sql("SELECT count(*) AS n FROM word_sources").rows() == [{"n": 1}]


def test_words_of_whoever_is_excluded_are_not_shown(lake: Lake) -> None:
    commit(lake, "w", words=[said(0, 0.0, 1.0, "hi")], word_sources=[source()], items=[item("i", "r")])
    assert lake.sql("SELECT count(*) AS n FROM words").rows() == [{"n": 1}]
    commit(lake, "x", items=[item("i", "r", 1, excluded_reason="took back consent")])
    assert lake.sql("SELECT count(*) AS n FROM words").rows() == [{"n": 0}]
    assert lake.sql("SELECT count(*) AS n FROM words_all").rows() == [{"n": 1}]


def test_the_view_finds_what_looking_at_every_pair_finds(lake: Lake) -> None:
    draw = random.Random(20261122)

    def spans(count: int) -> list[tuple[float, float]]:
        begins = [draw.randrange(200) / 2 for _ in range(count)]
        return [(begin, begin + draw.choice((0, 0.5, 3, 10, 25))) for begin in begins]

    recordings = {f"r{i}": (spans(draw.randrange(1, 12)), spans(draw.randrange(25))) for i in range(80)}
    commit(
        lake,
        "m",
        audio_measurements=[
            window(i, *span, recording_id=r, scoring_id=f"of {r}")
            for r, (windows, _) in recordings.items()
            for i, span in enumerate(windows)
        ],
        scorings=[scoring(f"of {r}", r, "audio") for r in recordings],
        words=[
            said(i, *span, str(i), recording_id=r, source_id=f"to {r}")
            for r, (_, words) in recordings.items()
            for i, span in enumerate(words)
        ],
        word_sources=[source(f"to {r}", recording_id=r) for r in recordings],
    )

    def during(begin: float, end: float, words: list[tuple[float, float]]) -> str | None:
        found = [str(i) for i, (b, e) in enumerate(words) if (b < end and e > begin) or b == begin]
        return " ".join(found) or None

    wanted = [
        (recording, i, during(*span, words))
        for recording, (windows, words) in recordings.items()
        for i, span in enumerate(windows)
    ]
    assert rows(lake, "recording_id, measurement_id, text") == sorted(wanted, key=lambda row: row[:2])
