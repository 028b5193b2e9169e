"""What the ledger speaks of: what was found, what it became, and the jobs it went into. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

Kind = Literal["file", "url", "text"]


class Source(msgspec.Struct, frozen=True, gc=False):  # made 100,000 times a night: a dataclass takes four times as long
    """One place where something to score was found, before anybody looked inside.

    ``uri`` is an absolute path, a URL, or ``path#row`` for a row of a text table; ``sent_uri`` is what is sent where that
    differs (a URL with its signature). ``text`` is set for rows of tables.
    """

    uri: str
    kind: Kind
    size_bytes: int | None = None
    mtime_ns: int | None = None
    inode: int | None = None
    text: str | None = None
    sent_uri: str | None = None
    labels: Mapping[str, str] = {}
    """What the table it stands in says of it in its other columns."""


def name_of(uri: str) -> str:
    """Return what a person calls a source: the last part of its path.

    >>> name_of("/data/a/anna.wav"), name_of("https://x.com/a/b%20c.mp4?id=5"), name_of("/data/answers.csv#7")
    ('anna.wav', 'b c.mp4', 'answers.csv#7')
    """
    if uri.startswith(("http://", "https://")):
        return unquote(urlsplit(uri).path.rstrip("/").rpartition("/")[2]) or uri
    return uri.replace("\\", "/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a source turned out to be.

    ``md5`` is of what is sent, which for a text file is its text, without a byte order mark. ``parts`` are the members of
    an archive: inner path -> recording id.
    """

    source: Source
    recording_id: str
    name: str
    media_type: str | None = None
    md5: str | None = None
    duration_s: float | None = None
    recorded_at: str | None = None
    recorded_at_source: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a source cannot be scored: the kind is the name of an error class, the message is for people."""

    source: Source
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Work:
    """One recording in one job, at its position among the job's sources."""

    position: int
    kind: Kind
    recording_id: str
    uri: str
    sent_name: str
    md5: str | None = None
    size_bytes: int | None = None
    media_type: str | None = None
    duration_s: float | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerJob:
    """One job as the ledger knows it. Times are ISO 8601 in UTC; ``intent_server_ms`` is by the service's clock."""

    job_id: str
    api: str
    origin: str
    settings_id: str
    state: str
    hume_job_id: str | None
    run_id: str
    message: str | None
    intent_server_ms: int | None
    intent_at: str | None
    accepted_at: str | None
    received_at: str | None
    ended_at: str | None
    response_id: str | None
    load_id: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything a run found stands in the ledger, counted; and what of it still asks for something."""

    done: int
    under_way: int
    failed_before: int
    excluded: int
    new: tuple[str, ...]
    """URIs never seen, or changed since."""
    to_plan: tuple[str, ...]
    """URIs of known recordings that nothing was sent of with these settings."""
