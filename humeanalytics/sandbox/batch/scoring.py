"""One file through all the models that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from humeanalytics.sandbox import media
from humeanalytics.sandbox.batch.pictures import Crop, score_pictures
from humeanalytics.sandbox.batch.rows import FileRows, ModelRows
from humeanalytics.sandbox.batch.sound import NotTranscribed, score_sound
from humeanalytics.sandbox.batch.task import Task
from humeanalytics.sandbox.batch.texts import score_words
from humeanalytics.sandbox.words import split_words


class FileError(Exception):
    """A file cannot be scored; the message is what the answer says of it."""


def score_file(task: Task, file: str, content: BinaryIO, sidecar: str | None, check: Callable[[], None]) -> FileRows:
    """Score one file of media or text.

    Args:
        task: What to do.
        file: Its name in the answer.
        content: Its bytes; can be read and sought.
        sidecar: What is said in it, if a text beside it tells.
        check: Called now and then; may raise to stop the work.

    Raises:
        FileError: It cannot be scored, in Hume's words where they are known.
    """
    try:
        with media.looked_at(content) as medium:
            if medium.duration_s > task.max_duration_s:
                raise media.TooLong(task.max_duration_s)
            if medium.text is not None:
                return score_text(task, file, medium.text)
            models: list[ModelRows] = []
            crops: list[Crop] = []
            if medium.has_pictures:
                models += score_pictures(task, medium, crops, check)
            if medium.has_sound:
                models += score_sound(task, medium, sidecar, check)
            return FileRows(file, task.file_type(medium.file_type), models, tuple(crops))
    except (media.UnknownFileType, media.Undecodable, media.TooLong, NotTranscribed) as error:
        raise FileError(str(error)) from None


def score_text(task: Task, file: str, text: str) -> FileRows:
    """Score a text that came as such."""
    return FileRows(file, task.file_type("text"), score_words(task, text, split_words(text), None))
