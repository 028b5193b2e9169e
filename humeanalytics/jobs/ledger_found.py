"""What the ledger remembers of files: recordings that were found, saved answers that were read. So that each is read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from humeanalytics.jobs.ledger_file import LedgerFile, chunks
from humeanalytics.jobs.work import Problem, Recording, Source, Standing, name_of

if TYPE_CHECKING:
    from humeanalytics.jobs.saved_inputs import SavedInput


class FilesFound(LedgerFile):
    """The part of a ledger that knows files."""

    def look_up(self, sources: Iterable[Source], *, api: str, origin: str, settings_id: str, recheck: bool = False) -> Standing:
        """Compare everything a run found with what is known of it, in one pass that stays cheap for 100,000 sources.

        A source is known if its size, time of change and inode are as they were; ``recheck`` trusts none of them.
        """
        with self._transaction():
            self._db.execute("DROP TABLE IF EXISTS temp.seen")
            self._db.execute("CREATE TEMP TABLE seen (uri TEXT PRIMARY KEY, size_bytes, mtime_ns, inode) WITHOUT ROWID")
            self._db.executemany(
                "INSERT OR IGNORE INTO temp.seen VALUES (?, ?, ?, ?)",
                ((s.uri, s.size_bytes, s.mtime_ns, s.inode) for s in sources),
            )
        rows = self._db.execute(
            """
            SELECT s.uri,
                   CASE WHEN f.uri IS NULL THEN 'new'
                        WHEN f.problem_kind = 'LimitExceeded' AND ? <> 'batch' THEN 'new'  -- the limits are those of v0
                        WHEN f.problem IS NOT NULL THEN 'failed_before'
                        WHEN f.excluded_reason IS NOT NULL THEN 'excluded'
                        WHEN j.state IS NULL OR j.state = 'planned' THEN 'to_plan'
                        WHEN j.state IN ('rejected', 'failed', 'gone') OR w.outcome = 'failed' THEN 'failed_before'
                        WHEN j.state = 'loaded' THEN 'done'
                        ELSE 'under_way' END AS standing
            FROM temp.seen AS s
            LEFT JOIN files AS f
              ON f.uri = s.uri AND f.size_bytes IS s.size_bytes AND f.mtime_ns IS s.mtime_ns AND f.inode IS s.inode AND NOT ?
            LEFT JOIN work AS w
              ON w.recording_id = f.recording_id AND w.settings_id = ? AND w.origin = ? AND w.api = ? AND w.claims = 1
            LEFT JOIN jobs AS j ON j.job_id = w.job_id
            """,
            (api, recheck, settings_id, origin, api),
        )
        counts = {"done": 0, "under_way": 0, "failed_before": 0, "excluded": 0}
        uris: dict[str, list[str]] = {"new": [], "to_plan": []}
        for uri, standing in rows:
            if standing in counts:
                counts[standing] += 1
            else:
                uris[standing].append(uri)
        return Standing(**counts, new=tuple(uris["new"]), to_plan=tuple(uris["to_plan"]))

    def seen_recordings(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Of the recordings of the last `look_up`: URI, the hash of the labels last written, why it is excluded."""
        yield from self._db.execute(
            "SELECT f.uri, f.labels_hash, f.excluded_reason FROM temp.seen AS s JOIN files AS f USING (uri) "
            "WHERE f.recording_id IS NOT NULL"
        )

    def record_files(self, found: Iterable[Recording | Problem]) -> None:
        """Remember what sources turned out to be, or why they cannot be scored."""
        with self._transaction():
            for each in found:
                s = each.source
                stat = (s.uri, s.size_bytes, s.mtime_ns, s.inode)
                if isinstance(each, Problem):
                    self._db.execute(
                        "INSERT OR REPLACE INTO files (uri, size_bytes, mtime_ns, inode, problem_kind, problem) "
                        "VALUES (?, ?, ?, ?, ?, ?)",
                        (*stat, each.kind, each.message),
                    )
                else:
                    self._db.execute(
                        "INSERT INTO files (uri, size_bytes, mtime_ns, inode, recording_id, md5, media_type, duration_s, "
                        "recorded_at, recorded_at_source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                        "ON CONFLICT (uri) DO UPDATE SET size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, "
                        "inode = excluded.inode, "
                        "labels_hash = CASE WHEN recording_id = excluded.recording_id THEN labels_hash END, "
                        "excluded_reason = CASE WHEN recording_id = excluded.recording_id THEN excluded_reason END, "
                        "recording_id = excluded.recording_id, md5 = excluded.md5, media_type = excluded.media_type, "
                        "duration_s = excluded.duration_s, recorded_at = excluded.recorded_at, "
                        "recorded_at_source = excluded.recorded_at_source, problem_kind = NULL, problem = NULL",
                        (
                            *stat,
                            each.recording_id,
                            each.md5,
                            each.media_type,
                            each.duration_s,
                            each.recorded_at,
                            each.recorded_at_source,
                        ),
                    )

    def recordings(self, sources: Sequence[Source]) -> list[Recording]:
        """Return what known sources are, without looking at them again. Archives come without their parts."""
        known: dict[str, tuple[Any, ...]] = {}
        for chunk in chunks([source.uri for source in sources], 500):
            rows = self._db.execute(
                "SELECT uri, recording_id, media_type, md5, duration_s, recorded_at, recorded_at_source FROM files "
                f"WHERE recording_id IS NOT NULL AND uri IN ({','.join('?' * len(chunk))})",
                chunk,
            )
            known.update((uri, tuple(facts)) for uri, *facts in rows)
        return [
            Recording(source, facts[0], name_of(source.uri), *facts[1:])
            for source in sources
            if (facts := known.get(source.uri)) is not None
        ]

    def claimed(self, recording_ids: Sequence[str], *, api: str, origin: str, settings_id: str) -> set[str]:
        """Which of some recordings were sent already, or are about to be told apart from what was."""
        taken: set[str] = set()
        for chunk in chunks(recording_ids, 500):
            rows = self._db.execute(
                "SELECT w.recording_id FROM work AS w JOIN jobs AS j USING (job_id) WHERE w.claims = 1 AND j.state <> 'planned' "
                f"AND w.api = ? AND w.origin = ? AND w.settings_id = ? AND w.recording_id IN ({','.join('?' * len(chunk))})",
                (api, origin, settings_id, *chunk),
            )
            taken.update(row[0] for row in rows)
        return taken

    def record_labels(self, said: Iterable[tuple[str, str | None, str | None]]) -> None:
        """Remember, for each URI, the hash of the labels written and why it is excluded, if it is."""
        with self._transaction():
            self._db.executemany("UPDATE files SET labels_hash = ?2, excluded_reason = ?3 WHERE uri = ?1", said)

    def forget_problems(self) -> int:
        """Forget why files of the last `look_up` could not be used, so that they are looked at again."""
        return self._write("DELETE FROM files WHERE problem IS NOT NULL AND uri IN (SELECT uri FROM temp.seen)")

    # -------------------------------------------------------------------------------------------------- saved answers
    def saved_before(self, inputs: Iterable[SavedInput]) -> dict[str, bool]:
        """Return the saved inputs that were read as they are now: URI -> whether that failed."""
        known = {row[0]: row[1:] for row in self._db.execute("SELECT uri, size_bytes, mtime_ns, inode, failed FROM saved_files")}
        return {
            each.uri: bool(facts[3])
            for each in inputs
            if (facts := known.get(each.uri)) is not None and facts[:3] == (each.size_bytes, each.mtime_ns, each.inode)
        }

    def record_saved(self, read: Iterable[tuple[SavedInput, bool]]) -> None:
        """Remember saved inputs that were read, and whether anything in them failed."""
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO saved_files VALUES (?, ?, ?, ?, ?)",
                ((each.uri, each.size_bytes, each.mtime_ns, each.inode, failed) for each, failed in read),
            )
