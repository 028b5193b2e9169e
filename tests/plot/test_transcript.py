"""What stands in a transcript: who said what when, in words that fit and letters that there are."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from plot_frames import conversation
from test_timeline import assert_words_stand_apart, words

from humeanalytics.errors import UsageError
from humeanalytics.plot import transcript
from humeanalytics.plot.words import NO_LETTER, drawable, text_width_in, wrapped

TEXTS = (
    "Hello, this costs $5 or $6.",
    "こんにちは、荷物がまだ届いていません。どこにありますか？" * 3,
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnungsentwurfsvorlagenprüfungsausschussvorsitzende " * 2,
    "😀 👍🏽 👩‍👩‍👧 \t tabs\nand lines",
    None,
)


def boxes(ax: Axes) -> list[FancyBboxPatch]:
    return [each for each in ax.patches if isinstance(each, FancyBboxPatch)]


def test_who_said_what_when() -> None:
    ax = transcript(conversation())
    said = words(ax)
    for part in ("Hello!", "Where is my parcel?", "Caller", "Assistant", "0:00", "0:10", "0:30", "no scores"):
        assert part in said
    left = [box.get_x() for box in boxes(ax)]
    assert left[0] == left[2] < left[1] == left[3]
    assert said[0] == "Chat 01234567, 2026-01-01 00:00 UTC"


def test_the_strongest_three_stand_above() -> None:
    frame = conversation()
    ax = transcript(frame)
    first = [text.get_text() for text in sorted(ax.texts, key=lambda text: (text.get_position()[1], text.get_position()[0]))][:5]
    assert first == ["0:00", "Caller", "Boredom 0.70", "Surprise (positive) 0.60", "Interest 0.50"]
    assert not any("Interest" in text for text in words(transcript(frame, expressions=["joy", "anger"])))


def test_stronger_is_more_colour_and_no_scores_is_none() -> None:
    frame = pa.table({"speaker": ["caller"] * 3, "message_text": ["a"] * 3, "joy": [0.9, 0.1, None]})
    strong, weak, none = (to_rgb(box.get_facecolor()) for box in boxes(transcript(frame)))
    assert sum(strong) < sum(weak) < sum(none) == 3.0


def test_a_long_chat_says_what_is_left_out() -> None:
    frame = conversation(tuple(f"message {at}" for at in range(50)))
    ax = transcript(frame, limit=10, first=11)
    assert len(boxes(ax)) == 10
    assert any("50 messages; 11 to 20 are drawn, 40 left out" in text for text in words(ax))
    assert "message 10" in words(ax) and "1:40" in words(ax)
    own = Figure(figsize=(6, 4)).add_subplot()
    assert transcript(frame, ax=own) is own
    assert 1 <= len(boxes(own)) < 8


def test_order_is_that_of_time() -> None:
    frame = conversation()
    assert [text for text in words(transcript(frame.take([3, 1, 0, 2]))) if text in TEXTS or text.endswith(("!", "?", "."))] == [
        "Hello!",
        "Where is my parcel?",
        "It left the depot.",
        "You said that.",
    ]


def test_interruptions_are_marked_before_what_was_said_then() -> None:
    frame = conversation()
    events = pa.table(
        {
            "chat_id": ["0123456789abcdef"] * 3 + ["another"],
            "type": ["USER_INTERRUPTION", "CHAT_END_MESSAGE", "PAUSE_ONSET", "USER_INTERRUPTION"],
            "timestamp": pa.array([1_767_225_615_000_000 + at * 5_000_000 for at in range(4)], pa.timestamp("us", "UTC")),
        }
    )
    ax = transcript(frame, events=events)
    marks = {text.get_text(): text.get_position()[1] for text in ax.texts if text.get_text().startswith("\N{EM DASH}")}
    assert list(marks) == ["\N{EM DASH} the caller interrupts \N{EM DASH}", "\N{EM DASH} the assistant is paused \N{EM DASH}"]
    tops = [box.get_y() for box in boxes(ax)]
    assert tops[1] < marks["\N{EM DASH} the caller interrupts \N{EM DASH}"] < tops[2]
    with pytest.raises(UsageError, match="no rows of chat_events"):
        transcript(frame, events=frame)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_letters_are_drawn_in_silence_and_stay_inside(theme: Any) -> None:
    ax = transcript(conversation(TEXTS), theme=theme, synthetic=True)
    assert_words_stand_apart(ax.figure)
    missing = any(NO_LETTER in drawable(text or "") for text in TEXTS)
    assert any("no font installed here has" in text for text in words(ax)) == missing
    assert "(no text)" in words(ax)


def test_colours() -> None:
    accessible, hume = (transcript(conversation(), colours=colours) for colours in ("accessible", "hume"))  # type: ignore[arg-type]
    assert [b.get_facecolor() for b in boxes(accessible)] != [b.get_facecolor() for b in boxes(hume)]


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (conversation(()), {}, "no messages"),
        (pa.table({"joy": [0.5]}), {}, "no column speaker"),
        (conversation(), {"chat": "ffff"}, r"no chats 'ffff'; choose one with chat=.*'01234567'"),
        (conversation(), {"first": 5}, "has 4 messages"),
        (conversation(), {"first": 0}, "counted from 1"),
        (conversation(), {"expressions": "joi"}, r"did you mean joy"),
    ],
)
def test_wrong_use(frame: pa.Table, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        transcript(frame, **arguments)


def test_several_chats_must_be_chosen_from() -> None:
    other = conversation().set_column(0, "chat_id", pa.array(["fedcba"] * 4))
    both = pa.concat_tables([conversation(), other])
    with pytest.raises(UsageError, match="holds 2 chats; choose one"):
        transcript(both)
    assert transcript(both, chat="fed").get_title(loc="left").startswith("Chat fedcba,")


text = st.text(st.sampled_from("aé ßW.,!日本語。、」한 \u200d\xa0"), max_size=60)


@settings(max_examples=20)
@given(text, st.floats(0.3, 2.0))
def test_lines_hold_all_letters_and_fit(words_: str, width_in: float) -> None:
    lines = wrapped(words_, 9.5, width_in)
    assert "".join(lines).replace(" ", "") == drawable(words_).replace(" ", "")
    assert all(text_width_in(line, 9.5) <= width_in + 1e-9 or len(line.strip()) == 1 for line in lines)


@pytest.mark.parametrize(
    "form", [lambda t: t.to_pandas(), pl.from_arrow, lambda t: t.to_reader()], ids=["pandas", "polars", "stream"]
)
def test_any_frame(form: Any) -> None:
    assert words(transcript(form(conversation()))) == words(transcript(conversation()))
