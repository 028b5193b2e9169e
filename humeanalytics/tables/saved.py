"""Find what can be flattened in a saved file: the file itself, or what is in it if it is packed."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO, BinaryIO, cast

import pyarrow as pa

from humeanalytics.errors import NotHumeData, UnreadableResponse
from humeanalytics.tables.archives import Limits, open_zip, unpacked
from humeanalytics.tables.artifacts import CsvFile, artifacts_in_pieces, csvs_in_pieces, is_artifact
from humeanalytics.tables.batch import Watch, flatten_in_pieces
from humeanalytics.tables.detect import Detected, Kind, detect
from humeanalytics.tables.flattened import Flattened
from humeanalytics.tables.saved_expression import expression_in_pieces

_MAX_DEPTH = 3
_FLATTENED = frozenset((Kind.PREDICTIONS, Kind.STREAMING, Kind.JSON, Kind.ARTIFACTS, Kind.ARTIFACT_CSV, Kind.EXPRESSION))


@dataclass(frozen=True, slots=True)
class SavedPart:
    """Something in a saved file that is a payload of its own.

    Attributes:
        name: What errors call it: the file's name, and behind it the path of the member.
        member: Its path inside the file; empty if it is the file itself. Where that is packed twice, ``!`` stands between.
        detected: What it is.
        open: Opens it for reading bytes, unpacked, as often as wanted, for as long as the file is open. Reading raises
            `UnreadableResponse` where the packing is broken or breaks a limit.
        limits: What archives in it may hold.
    """

    name: str
    member: str
    detected: Detected
    open: Callable[[], BinaryIO]
    limits: Limits = field(default=Limits(), repr=False)

    @property
    def is_evi(self) -> bool:
        """Whether chats of EVI are in it: `EviBook` takes those, as many parts may tell of one chat."""
        return self.detected.kind == Kind.EVI

    @property
    def can_be_flattened(self) -> bool:
        """Whether it holds rows, or may: of broken JSON only flattening says where it is broken."""
        return self.detected.kind in _FLATTENED

    def flatten(self) -> Flattened:
        """Flatten it.

        Raises:
            NotHumeData: It holds no scores of Hume's; says what it is.
            UnreadableResponse: It is broken; says where.
        """
        [flattened] = self.pieces(None)
        return flattened

    def pieces(self, rows: int | None = 200_000, watch: Watch | None = None) -> Iterator[Flattened]:
        """Flatten it piece by piece, so that no more of it is in memory than a piece. There is at least one.

        Every answer is in one piece with all its rows. Failures, counts, and what a payload tells of itself only at its end
        are complete in the last piece.

        Args:
            rows: A piece ends with the prediction, or the CSV, that brings it to so many rows; None makes one piece of
                everything.
            watch: Is told of all that is read, where it is JSON of v0.

        Raises:
            NotHumeData: As `flatten`; of CSVs maybe after pieces, which then are of no use.
            UnreadableResponse: As `flatten`; maybe after pieces, which then are of no use.
        """
        with self.open() as stream:
            if self.detected.kind in (Kind.PREDICTIONS, Kind.STREAMING, Kind.JSON):
                yield from flatten_in_pieces(stream, name=self.name, rows=rows, watch=watch)
            elif self.detected.kind == Kind.ARTIFACTS:
                yield from artifacts_in_pieces(stream, name=self.name, rows=rows, limits=self.limits)
            elif self.detected.kind == Kind.ARTIFACT_CSV:
                path = (self.member or self.name).replace("\\", "/")
                yield from csvs_in_pieces([CsvFile(path, lambda: stream)], name=self.name, rows=rows)
            elif self.detected.kind == Kind.EXPRESSION:
                yield from expression_in_pieces(stream, name=self.name, rows=rows)
            else:
                what = f"this is {self.detected.about}, not the scores of a v0 batch job"
                raise NotHumeData(f"{self.name}: {what}.", item=self.name)


def saved_parts(file: BinaryIO, *, name: str, limits: Limits | None = None) -> Iterator[SavedPart]:
    """Yield what is in a saved file: itself, or, of gzip, zstd and ZIP, what was packed, however often.

    A ZIP of artifacts is one part with all its CSVs, followed by what else can be flattened in it. Of other ZIPs every file
    is a part, also those that cannot be: the one who asks decides whether that is worth a word. One that cannot be unpacked is
    a part too, which says why when it is opened.

    Args:
        file: Opened for reading bytes; it must be able to seek. It has to stay open while the parts are used.
        name: What errors call it.
        limits: How much may be packed in it. Default: `Limits`.

    Raises:
        UnreadableResponse: It is packed, and broken or beyond a limit.

    Examples:
        >>> part, = saved_parts(io.BytesIO(gzip.compress(b"{}")), name="x.gz")
        >>> part.detected.about
        'an empty JSON object'
    """
    yield from _parts(lambda: cast(BinaryIO, _Kept(file)), name, "", limits or Limits(), 0)


def _parts(open_: Callable[[], BinaryIO], name: str, member: str, limits: Limits, depth: int) -> Iterator[SavedPart]:
    shown = f"{name} ({member})" if member else name
    with open_() as stream:
        detected = detect(stream)
    if depth < _MAX_DEPTH and detected.kind in (Kind.GZIP, Kind.ZSTD):
        yield from _parts(_unpacking(open_, detected.kind, shown, limits), name, member, limits, depth + 1)
    elif depth < _MAX_DEPTH and detected.kind in (Kind.ZIP, Kind.ARTIFACTS):
        yield from _zip_parts(open_, detected, name, member, limits, depth)
    else:
        yield SavedPart(shown, member, detected, open_, limits)


def _zip_parts(
    open_: Callable[[], BinaryIO], detected: Detected, name: str, member: str, limits: Limits, depth: int
) -> Iterator[SavedPart]:
    shown = f"{name} ({member})" if member else name
    stream = open_()
    if not isinstance(stream, _Kept):  # a directory at the end cannot be read from what only unpacks from the beginning
        held = _held(stream, shown, limits)
        open_ = partial(io.BytesIO, held)
        stream = open_()
        detected = detect(stream)
    archive = open_zip(stream, shown, limits)  # not closed: it holds nothing but the stream, and parts read through it
    if detected.kind == Kind.ARTIFACTS:
        yield SavedPart(shown, member, detected, open_, limits)
    for info in archive.infolist():
        if not info.is_dir() and not is_artifact(info.filename):
            path = f"{member}!{info.filename}" if member else info.filename
            opens = partial(archive.open, info, f"{name} ({path})")
            try:
                for part in _parts(opens, name, path, limits, depth + 1):
                    if part.can_be_flattened or detected.kind != Kind.ARTIFACTS:
                        yield part
            except UnreadableResponse as error:  # as encrypted members are: told in its turn, and no word about the others
                broken = Detected(Kind.JSON, "what cannot be unpacked")
                yield SavedPart(f"{name} ({path})", path, broken, partial(_raise, error), limits)


def _raise(error: UnreadableResponse) -> BinaryIO:
    raise error


def _unpacking(open_: Callable[[], BinaryIO], kind: Kind, shown: str, limits: Limits) -> Callable[[], BinaryIO]:
    """Return what opens a compressed stream unpacked."""
    with open_() as stream:
        packed_bytes = stream.seek(0, io.SEEK_END) if isinstance(stream, _Kept) else None

    def opens() -> IO[bytes]:
        if kind == Kind.GZIP:
            return cast(IO[bytes], gzip.GzipFile(fileobj=open_()))
        return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(open_(), mode="r"), "zstd"))

    return partial(unpacked, opens, shown, limits, packed_bytes)


def _held(stream: BinaryIO, shown: str, limits: Limits) -> bytes:
    data = stream.read(limits.held_bytes + 1)
    if len(data) > limits.held_bytes:
        limit = f"the limit of {limits.held_bytes} bytes"
        raise UnreadableResponse(f"{shown}: a ZIP archive that is itself packed must fit {limit}. Unpack it once.", item=shown)
    return data


class _Kept(io.BufferedIOBase):
    """A file from its beginning, which closing this leaves open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        return self._file.read(-1 if size is None else size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
