"""The work of one job: every source and file of it, through the models, into the predictions and the artifacts."""

from __future__ import annotations

import io
import logging
import os
import random
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import msgspec

from humeanalytics.sandbox.batch.answers import PredictionsWriter
from humeanalytics.sandbox.batch.archives import (
    BrokenArchive,
    Member,
    kind_of,
    opened,
    read_member_sidecar,
    read_sidecar,
    sidecar_of,
)
from humeanalytics.sandbox.batch.artifacts import ArtifactsWriter, source_folder
from humeanalytics.sandbox.batch.downloads import DownloadFailed, downloaded, name_of
from humeanalytics.sandbox.batch.rows import FileRows
from humeanalytics.sandbox.batch.scoring import FileError, score_file, score_text
from humeanalytics.sandbox.batch.task import Task
from humeanalytics.sandbox.batch.uploads import FilePart, Upload
from humeanalytics.sandbox.faults import JobFaults
from humeanalytics.sandbox.options import SandboxOptions

_log = logging.getLogger(__name__)


class Stopped(BaseException):
    """The sandbox is being closed; the job is begun again when it is opened again.

    Not an `Exception`, so that nothing that copes with the troubles of a single file swallows it.
    """


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the worker has to know of a job; kept with it."""

    models: dict[str, dict[str, Any]]
    transcription: dict[str, Any] | None
    urls: list[str]
    texts: list[str]
    uploads: list[Upload]
    callback_url: str | None = None
    faults: JobFaults = field(default_factory=JobFaults)


def encode_plan(plan: Plan) -> str:
    return msgspec.json.encode(plan).decode()


def decode_plan(data: str) -> Plan:
    return msgspec.json.decode(data, type=Plan)


@dataclass(frozen=True, slots=True)
class Counts:
    num_predictions: int
    num_errors: int


def run_job(
    plan: Plan,
    upload_path: Path,
    predictions_path: Path,
    artifacts_path: Path,
    seed: int,
    options: SandboxOptions,
    check: Callable[[], None],
) -> Counts:
    """Do the work of a job; both files are on the disk, whole, when this returns."""
    partial = predictions_path.with_suffix(".json.part"), artifacts_path.with_suffix(".zip.part")
    with ExitStack() as stack:
        json_file = stack.enter_context(partial[0].open("wb"))
        zip_file = stack.enter_context(partial[1].open("wb"))
        archive = stack.enter_context(zipfile.ZipFile(zip_file, "w", zipfile.ZIP_DEFLATED, compresslevel=1))
        predictions = stack.enter_context(PredictionsWriter(json_file, plan.faults.new_fields, plan.faults.new_names))
        _Work(plan, seed, options, check, predictions, ArtifactsWriter(archive)).run(upload_path)
        stack.pop_all().close()
    for part, path in zip(partial, (predictions_path, artifacts_path), strict=True):
        _publish(part, path)
    return Counts(predictions.num_predictions, predictions.num_errors)


def _publish(part: Path, path: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)


class _Work:
    def __init__(
        self,
        plan: Plan,
        seed: int,
        options: SandboxOptions,
        check: Callable[[], None],
        predictions: PredictionsWriter,
        artifacts: ArtifactsWriter,
    ) -> None:
        self._plan = plan
        self._seed = seed
        self._options = options
        self._check = check
        self._predictions = predictions
        self._artifacts = artifacts
        self._task = Task(
            seed,
            plan.models,
            plan.transcription,
            options.max_duration_s,
            options.utf16_positions,
            plan.faults.new_names,
        )

    def run(self, upload_path: Path) -> None:
        for number, url in enumerate(self._plan.urls):
            self._url(number, url)
        if self._plan.uploads:
            with upload_path.open("rb") as disk:
                self._uploads(disk)
        if self._plan.texts:
            self._texts()

    def _url(self, number: int, url: str) -> None:
        source = {"type": "url", "url": url}
        try:
            with downloaded(url, self._options.max_url_bytes, self._check) as content:
                name = name_of(url)
                self._source(source, source_folder("url", number, name), name, content, {})
        except DownloadFailed as error:
            self._predictions.source_error(source, str(error))

    def _uploads(self, disk: BinaryIO) -> None:
        beside = [upload for upload in self._plan.uploads if upload.filename.endswith(".txt")]
        texts = {upload.filename: read_sidecar(_part(disk, upload)) for upload in beside}
        for number, upload in enumerate(self._plan.uploads):
            source = {
                "type": "file",
                "filename": upload.filename,
                "content_type": upload.content_type,
                "md5sum": upload.md5,
            }
            folder = source_folder("file", number, upload.filename)
            self._source(source, folder, upload.filename, _part(disk, upload), texts)

    def _source(self, source: dict[str, Any], folder: str, name: str, content: BinaryIO, texts: dict[str, str]) -> None:
        kind = kind_of(content)
        if kind is None:
            self._predictions.begin_source(source)
            self._file(folder, name, content, sidecar_of(name, texts))
            self._predictions.end_source()
            return
        try:
            archive = opened(content, kind, self._options.max_archive_members, self._options.max_url_bytes)
            with archive as members:
                self._members(source, folder, members)
        except BrokenArchive as error:
            self._predictions.source_error(source, str(error))

    def _members(self, source: dict[str, Any], folder: str, members: Sequence[Member]) -> None:
        """Score the files of an archive; one that cannot be unpacked is an error of its own, not of the archive."""
        texts = {member.path: read_member_sidecar(member) for member in members if member.path.endswith(".txt")}
        self._predictions.begin_source(source)
        for member in members:
            try:
                with member.content() as content:
                    self._file(folder, member.path, content, sidecar_of(member.path, texts))
            except BrokenArchive as error:
                self._predictions.error(member.path, str(error))
        self._predictions.end_source()

    def _texts(self) -> None:
        self._predictions.begin_source({"type": "text"})
        # Hume answers texts in an order of its own.
        order = list(range(len(self._plan.texts)))
        random.Random(f"{self._seed}/{len(order)}").shuffle(order)
        for index in order:
            self._check()
            file = str(index + self._options.text_index_base)
            error = self._plan.faults.error_of(file)
            if error is not None:
                self._predictions.error(file, error)
            else:
                self._keep(source_folder("text", 0, "text"), score_text(self._task, file, self._plan.texts[index]))
        self._predictions.end_source()

    def _file(self, folder: str, name: str, content: BinaryIO, sidecar: str | None) -> None:
        self._check()
        error = self._plan.faults.error_of(name)
        if error is not None:
            self._predictions.error(name, error)
            return
        try:
            scored = score_file(self._task, name, content, sidecar or self._known_transcript(name), self._check)
        except FileError as failed:
            self._predictions.error(name, str(failed))
        except Exception as bug:
            _log.exception("The sandbox could not score %s.", name)
            self._predictions.error(name, f"internal error: {bug}")
        else:
            self._keep(folder, scored)

    def _known_transcript(self, name: str) -> str | None:
        if self._options.transcripts is None:
            return None
        path = self._options.transcripts / f"{PurePosixPath(name).stem}.txt"
        return path.read_text(encoding="utf-8-sig") if path.is_file() else None

    def _keep(self, folder: str, scored: FileRows) -> None:
        self._predictions.file(scored)
        self._artifacts.file(folder, scored)


def _part(disk: BinaryIO, upload: Upload) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(FilePart(disk, upload.offset_bytes, upload.size_bytes), 1 << 16))
