"""The rows of a manifest, and which of them fits an item; a look-up takes the same time however many rows there are."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

from humeanalytics.errors import UsageError
from humeanalytics.redaction import without_signature


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One line of a manifest: ``line`` as an editor counts it, ``file`` as it was written there.

    Attributes:
        labels: Column -> text. An empty cell is kept as an empty text, which takes a label away.
        recorded_at: In UTC; None where the cell is empty or there is no such column.
        excluded_reason: None where the recording is not excluded.
    """

    line: int
    file: str
    labels: dict[str, str]
    recorded_at: datetime | None = None
    excluded_reason: str | None = None


class Manifest:
    """The rows of a manifest, and a record of which item took which.

    Attributes:
        source: Where it was read from.
        rows: In the order of the lines.
        file_column: The column that names the file.
        keys: The columns that are labels.
    """

    def __init__(
        self, source: str, rows: Sequence[ManifestRow], file_column: str, keys: Sequence[str], folder: str | None = None
    ) -> None:
        """Raises `UsageError` where two rows name one file."""
        self.source, self.rows, self.file_column, self.keys = source, tuple(rows), file_column, tuple(keys)
        self._by_place: dict[str, ManifestRow] = {}
        self._by_path: dict[str, list[ManifestRow]] = defaultdict(list)
        self._by_name: dict[str, list[ManifestRow]] = defaultdict(list)
        self._taken: dict[int, tuple[str, bool]] = {}
        for row in self.rows:
            place = whole_place(row.file, folder)
            if (twin := self._by_place.setdefault(place, row)) is not row:
                raise UsageError(f"{source}, lines {twin.line} and {row.line}: both are about {row.file!r}.")
            if (path := _path(row.file)) is not None:
                self._by_path[path].append(row)
                self._by_name[posixpath.basename(path)].append(row)
        self._names_tell_files_apart = all(len(rows) == 1 for rows in self._by_name.values())

    def match(self, uri: str, name: str) -> ManifestRow | None:
        """Return the row of the item at ``uri``, or None.

        A row fits by its whole path (also relative to the manifest's folder) or its URL without signature; then by the end of
        its path (``p1/a.wav`` fits ``/data/p1/a.wav``, the longest first); then, where the row or the item names another
        machine, by the file's name alone, if no two rows share a name. Where the items are known beforehand, `match_all` is
        better: it does not depend on their order.

        Args:
            uri: Path or URL of the item.
            name: Its name, without folders.

        Raises:
            UsageError: Several rows fit, or the row that fits was taken by another item; names them.
        """
        row, whole = self.find(uri, name)
        if row is None:
            return None
        holder, holder_whole = self._taken.get(row.line, (uri, whole))
        if holder != uri and whole_place(holder) != whole_place(uri):
            if holder_whole and not whole:  # the very file that the row names is there: this is another of the same name
                return None
            raise UsageError(
                f"{self.source}, line {row.line}: {row.file!r} fits both {_shown(holder)} and {_shown(uri)}. "
                f"Write more of the path into column {self.file_column!r}."
            )
        self._taken[row.line] = uri, whole or holder_whole
        return row

    def match_all(self, items: Iterable[tuple[str, str]]) -> dict[str, ManifestRow]:
        """Return uri -> row of every item (given as uri and name) that has one; what `match` says, whatever their order.

        Raises:
            UsageError: As `match`.
        """
        self._taken.clear()
        known = list(items)
        wholly = [(uri, name) for uri, name in known if whole_place(uri) in self._by_place]
        rest = [(uri, name) for uri, name in known if whole_place(uri) not in self._by_place]
        found = ((uri, self.match(uri, name)) for uri, name in (*wholly, *rest))
        return {uri: row for uri, row in found if row is not None}

    def unmatched(self) -> list[ManifestRow]:
        """Return the rows that no item has taken so far: misspelt files, or files that were not given."""
        return [row for row in self.rows if row.line not in self._taken]

    def find(self, uri: str, name: str) -> tuple[ManifestRow | None, bool]:
        """Return the row that fits an item, whoever else it fits, and whether it names all of the item's place.

        Raises:
            UsageError: Several rows fit.
        """
        if (row := self._by_place.get(whole_place(uri))) is not None:
            return row, True
        if (path := _path(uri)) is None:
            return None, False
        for ending in _endings(path):
            if rows := self._by_path.get(ending):
                return self._only(rows, uri), False
        rows = self._by_name.get(_normal(name), [])
        if rows and "/" not in path:
            return self._only(rows, uri), False
        # The folders differ. That is no wonder where the row names a place on another machine; but p1/001.wav is not
        # p2/001.wav, and where a study calls every file interview.wav its name says nothing.
        if rows and self._names_tell_files_apart and _is_rooted(rows[0].file):
            return rows[0], False
        return None, False

    def _only(self, rows: Sequence[ManifestRow], uri: str) -> ManifestRow:
        if len(rows) > 1:
            candidates = ", ".join(f"line {row.line} ({_shown(row.file)})" for row in rows[:5])
            raise UsageError(
                f"{self.source}: {_shown(uri)} may be {candidates}. "
                f"Write more of the path into column {self.file_column!r}, or the URL itself."
            )
        return rows[0]


def _normal(text: str) -> str:
    # macOS writes names decomposed, everybody else composed; Windows separates folders with backslashes.
    return unicodedata.normalize("NFC", text).replace("\\", "/")


def _is_url(text: str) -> bool:
    return "://" in text and not text.startswith("file://")


def _is_rooted(text: str) -> bool:
    return "://" in text or re.match(r"/|~|[A-Za-z]:/", _normal(text)) is not None


def _shown(text: str) -> str:
    return without_signature(text) if _is_url(text) else text


def _local(text: str) -> str:
    return unquote(urlsplit(text).path) if text.startswith("file://") else os.path.expanduser(text)  # noqa: PTH111


def whole_place(text: str, folder: str | None = None) -> str:
    """Return the whole of a path or URL in one spelling."""
    if _is_url(text):
        return without_signature(text)
    path = _normal(_local(text))
    return posixpath.normpath(path if folder is None or _is_rooted(path) else posixpath.join(_normal(folder), path))


def _path(text: str) -> str | None:
    """Return folders and name without what they start from; None where a URL's query, not its path, says what it is."""
    if _is_url(text):
        parts = urlsplit(without_signature(text))
        return None if parts.query else posixpath.normpath(_normal(unquote(parts.path))).lstrip("/")
    path = posixpath.normpath(_normal(_local(text)))
    while path.startswith("../"):
        path = path.removeprefix("../")
    return path.lstrip("/")


def _endings(path: str) -> Iterator[str]:
    parts = path.split("/")
    for start in range(len(parts)):
        yield "/".join(parts[start:])
