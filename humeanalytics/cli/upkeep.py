"""``reconcile``, ``rebuild`` and ``doctor``: what keeps a lake and a machine in order."""

from __future__ import annotations

from typing import Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import (
    JsonOption,
    LakeOption,
    SandboxOption,
    SeedOption,
    WaitOption,
    lake_uri,
    print_json,
    seconds,
    service,
)
from humeanalytics.cli.scoring import report


@app.command(epilog="Example: humeanalytics reconcile --lake lake")
def reconcile(
    lake: LakeOption = None,
    api: Annotated[str | None, typer.Option(help="expression (v1) or batch (v0). Default: whichever is in doubt.")] = None,
    sandbox: SandboxOption = False,
    seed: SeedOption = 7,
    wait: WaitOption = None,
    json: JsonOption = False,
) -> int:
    """Find out what became of submissions whose answer was lost. Sends nothing."""
    from humeanalytics.jobs.reconciling import reconcile as reconcile_lake

    uri = lake_uri(lake)
    with service(uri, sandbox=sandbox, seed=seed, lock_wait_s=seconds(wait)) as settings:
        return report(reconcile_lake(uri, api=api, settings=settings, lock_wait_s=seconds(wait)), json)


@app.command(epilog="Example: humeanalytics rebuild --lake lake")
def rebuild(lake: LakeOption = None, wait: WaitOption = None, json: JsonOption = False) -> int:
    """Make the tables of scores again from the answers under raw/. A load that has no raw answers stays as it is."""
    from humeanalytics.jobs.rebuilding import rebuild as rebuild_lake

    return report(rebuild_lake(lake_uri(lake), lock_wait_s=seconds(wait)), json)


@app.command(epilog="Example: humeanalytics doctor")
def doctor(
    lake: LakeOption = None,
    online: Annotated[bool, typer.Option("--online", help="Also ask the services whether the key is good.")] = False,
    json: JsonOption = False,
) -> int:
    """Tell what is alive, what is installed, and whether key, folder and lake are in order."""
    from humeanalytics.jobs.checkup import check_up

    checks = check_up(lake, online=online)
    if json:
        print_json([check.to_dict() for check in checks])
    else:
        for check in checks:
            typer.echo(f"{check.mark:<5}{check.name:<26}{check.text}")
    return 2 if any(check.state == "bad" for check in checks) else 0
