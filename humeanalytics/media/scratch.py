"""The folder that prepared sound and pictures are written to."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from humeanalytics.errors import DiskFull

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn "no space left" into `DiskFull`; keep nothing of ``path`` when writing it failed."""
    try:
        yield
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise DiskFull(
                f"No space left for {path}. Nothing is lost: make room, or name another folder for temporary files in TMPDIR, "
                "and run the same command again.",
                uri=str(path),
            ) from error
        raise
