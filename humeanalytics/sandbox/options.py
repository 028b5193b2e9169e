"""What of the emulated service can be set: delays, limits, and every guess where the contract is silent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the sandbox behaves. The defaults are Hume's limits, as published, with delays short enough for tests.

    Attributes ending in ``_s`` are seconds of the sandbox's clock, in ``_bytes`` bytes (decimal megabytes, as Hume counts).

    Examples:
        >>> SandboxOptions(queue_s=0.1, run_s=4.0).max_queued_jobs
        500
    """

    # pace: in Hume's samples jobs waited 0.07 to 0.11 s and ran 0.5 to 4.4 s
    queue_s: float = 0.05
    """A job stays QUEUED at least this long."""
    run_s: float = 0.05
    """A job stays IN_PROGRESS at least this long."""
    workers: int = 2
    """Jobs scored at once."""

    transcripts: Path | None = None
    """A folder of known transcripts: ``talk.txt`` has what is said in ``talk.wav``, however that comes in."""

    # published limits
    max_urls: int = 100
    max_texts: int = 100
    max_files: int = 100
    max_file_bytes: int = 100_000_000
    max_url_bytes: int = 1_000_000_000
    max_text_bytes: int = 255_000_000
    max_duration_s: float = 3 * 3600.0
    max_queued_jobs: int = 500

    # limits of the sandbox's own, so that no archive fills the disk
    max_archive_members: int = 10_000
    max_body_bytes: int = 300_000_000
    """Of a JSON body or a ``json`` part."""

    # guesses: the contract does not say
    strict: bool = False
    """Refuse unknown keys and form parts. Hume's own examples had some, so they are ignored by default."""
    validation_status: int = 400
    queue_full_status: int = 429
    not_ready_status: int = 400
    """For predictions or artifacts asked of a job that is not COMPLETED."""
    text_index_base: int = 1
    """Number of the first text in the ``file`` names of a text source."""
    boundary_inclusive: bool = False
    """Whether a job created exactly at ``timestamp_ms`` counts as created before and after it."""
    utf16_positions: bool = False
    """Count positions in UTF-16 code units rather than code points."""
    retention_s: float | None = None
    """How long after its end a job can still be seen; after that it is "not found". None: for ever."""
