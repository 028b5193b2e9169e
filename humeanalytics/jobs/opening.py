"""Open a lake together with its ledger's ``jobs``."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from humeanalytics.errors import LakeError
from humeanalytics.jobs.ledger import LEDGER_FILE
from humeanalytics.lake import lake as lakes
from humeanalytics.lake.lake import Lake
from humeanalytics.settings import load_settings
from humeanalytics.tables.schema import UTC_TIME

_JOBS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("job_id", "api", "origin", "settings_id", "state", "hume_job_id", "run_id")),
        *(
            pa.field(name, UTC_TIME)
            for name in ("planned_at", "intent_at", "accepted_at", "ended_at", "received_at", "loaded_at")
        ),
        *(pa.field(name, pa.string()) for name in ("message", "response_id", "load_id")),
        pa.field("recordings", pa.int64()),
    ]
)


def open_lake(
    uri: str | os.PathLike[str],
    *,
    create: bool = True,
    version: int | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> Lake:
    """Open a lake: a folder of answers and tables. An open lake sees new loads at each query.

    Args:
        uri: The folder.
        create: Make it if there is none.
        version: The lake as it was at this version of its table ``loads``.
        storage_options: For object stores, as in Delta Lake.

    Raises:
        LakeNotFound: There is no lake and ``create`` is False.
        LakeTooNew: A newer humeanalytics wrote it.

    Examples:
        >>> import humeanalytics as ha
        >>> lake = ha.open_lake(getfixture("tmp_path") / "lake")
        >>> lake.sql("SELECT count(*) AS n FROM prosody").rows()
        [{'n': 0}]
    """
    opened: list[Lake] = []
    jobs = {"jobs": lambda: _jobs(opened[0])}  # asked for only once the lake is open
    try:
        lake = lakes.open_lake(os.fspath(uri), create=create, version=version, storage_options=storage_options, providers=jobs)
    except LakeError:
        raise
    except OSError as error:
        raise LakeError(f"{os.fspath(uri)} cannot be used as a lake: {error.strerror or error}.", uri=os.fspath(uri)) from error
    opened.append(lake)
    return lake


def _jobs(lake: Lake) -> pa.Table:
    state = load_settings().state
    folder = state / lake.identity.lake_id if state is not None else lake.path
    path = None if folder is None else Path(folder) / LEDGER_FILE
    if path is None or not path.is_file():
        return _JOBS.empty_table()
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        columns = ", ".join(_JOBS.names[:-1])
        counted = "(SELECT count(*) FROM work WHERE work.job_id = jobs.job_id)"
        rows = connection.execute(f"SELECT {columns}, {counted} FROM jobs ORDER BY planned_at, job_id").fetchall()
    finally:
        connection.close()
    arrays = []
    for field, values in zip(_JOBS, zip(*rows, strict=True) if rows else [()] * len(_JOBS), strict=True):
        if field.type == UTC_TIME:
            arrays.append(pa.array(values, pa.string()).cast(UTC_TIME))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=_JOBS)
