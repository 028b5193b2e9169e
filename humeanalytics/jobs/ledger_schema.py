"""The ledger's SQL, as migrations: each step runs once, in order, in a transaction of its own.

A released step is never edited; a change is a new step at the end.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator

from humeanalytics.errors import LakeTooNew

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- What was found where. size, time of change and inode are trusted for a file seen before, so that a nightly run reads
-- only what is new. A file that could not be used has its problem here instead of a recording; one that is excluded
-- stays so, and is never sent, until a manifest says otherwise.
CREATE TABLE files (
    uri TEXT PRIMARY KEY,
    size_bytes INTEGER, mtime_ns INTEGER, inode INTEGER,
    recording_id TEXT, md5 TEXT, media_type TEXT, duration_s REAL,
    recorded_at TEXT, recorded_at_source TEXT,
    problem_kind TEXT, problem TEXT,
    labels_hash TEXT, excluded_reason TEXT
) WITHOUT ROWID;

CREATE TABLE settings (settings_id TEXT PRIMARY KEY, api TEXT NOT NULL, canonical_json TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    api TEXT NOT NULL, origin TEXT NOT NULL, settings_id TEXT NOT NULL, state TEXT NOT NULL,
    hume_job_id TEXT, run_id TEXT NOT NULL, message TEXT,
    planned_at TEXT NOT NULL, intent_at TEXT, intent_server_ms INTEGER, accepted_at TEXT, ended_at TEXT,
    received_at TEXT, loaded_at TEXT, last_status TEXT, response_id TEXT, load_id TEXT
) WITHOUT ROWID;
CREATE INDEX jobs_by_state ON jobs (api, state);
CREATE UNIQUE INDEX jobs_by_hume_id ON jobs (api, origin, hume_job_id) WHERE hume_job_id IS NOT NULL;

-- One recording in one job. `claims` is 1 while this is the word on (recording, settings): at most one such row exists,
-- which is what keeps a recording from being sent twice.
CREATE TABLE work (
    job_id TEXT NOT NULL REFERENCES jobs (job_id), position INTEGER NOT NULL,
    api TEXT NOT NULL, origin TEXT NOT NULL, settings_id TEXT NOT NULL,
    recording_id TEXT NOT NULL, kind TEXT NOT NULL, uri TEXT NOT NULL, sent_name TEXT NOT NULL,
    md5 TEXT, size_bytes INTEGER, media_type TEXT, duration_s REAL, parts_json TEXT,
    claims INTEGER NOT NULL DEFAULT 1, outcome TEXT, message TEXT,
    PRIMARY KEY (job_id, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX work_claims ON work (recording_id, settings_id, origin, api) WHERE claims = 1;

CREATE TABLE moves (job_id TEXT NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL, run_id TEXT NOT NULL, why TEXT);
CREATE INDEX moves_by_job ON moves (job_id);

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, verb TEXT NOT NULL, started_at TEXT NOT NULL, ended_at TEXT, exit_code INTEGER, counts_json TEXT
) WITHOUT ROWID;
"""

# Saved answers that were read, so that a folder of them is read once. A folder of extracted artifacts counts as one.
_SAVED_FILES = """
CREATE TABLE saved_files (
    uri TEXT PRIMARY KEY, size_bytes INTEGER, mtime_ns INTEGER, inode INTEGER, failed INTEGER NOT NULL
) WITHOUT ROWID;
"""

# Uploads to v1, each written before its first byte goes out. A job has several: the chunks of a sound (by channel), the packs
# of a film's frames or of photos. `part` is the number of the chunk or pack; of a pack that was refused and goes on in halves,
# `first` and `images` tell which of its images. `position` is the work it is about, null where it is about several.
# `placement_json` is without frames: those stand beside the answer under raw/. An upload that could not even be prepared has
# no time of intent. `noted` is the state and bill that the table `uploads` of the lake was last told.
_UPLOADS = """
CREATE TABLE uploads (
    upload_id TEXT PRIMARY KEY, job_id TEXT NOT NULL REFERENCES jobs (job_id), run_id TEXT NOT NULL, state TEXT NOT NULL,
    model TEXT NOT NULL, channel INTEGER, part INTEGER NOT NULL, first INTEGER NOT NULL, images INTEGER, position INTEGER,
    sha256 TEXT, size_bytes INTEGER, placement_json TEXT, config_json TEXT,
    intent_at TEXT, intent_server_ms INTEGER, lost_server_ms INTEGER, answered_at TEXT,
    status INTEGER, error_code TEXT, message TEXT,
    response_id TEXT, hume_run_id TEXT, hume_request_id TEXT, received_ms INTEGER, received_frames INTEGER, face_state TEXT,
    billed TEXT, billed_s REAL, metered_s REAL, other_json TEXT, noted TEXT
) WITHOUT ROWID;
CREATE INDEX uploads_by_state ON uploads (state);
CREATE INDEX uploads_by_hume_run ON uploads (hume_run_id);
CREATE UNIQUE INDEX uploads_once ON uploads (job_id, model, coalesce(channel, -1), part, first, coalesce(images, -1))
    WHERE state <> 'resent';
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SAVED_FILES, _UPLOADS)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a ledger to the newest form.

    Raises:
        LakeTooNew: It was written by a newer version of the package.
    """
    connection.execute("BEGIN IMMEDIATE")  # two flows may open a new ledger at the same moment
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise LakeTooNew(
                f"The ledger {path} has format {version}; this humeanalytics knows formats up to {len(MIGRATIONS)}. "
                "Upgrade with: python -m pip install -U humeanalytics",
                uri=path,
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('ledger_id', ?)", (uuid.uuid4().hex,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Split a script; ``executescript`` would commit the transaction that makes a step whole."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
