"""``export chats``: what a service keeps, brought into a lake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import JsonOption, LakeOption, SandboxOption, SeedOption, WaitOption, lake_uri, seconds, service
from humeanalytics.cli.scoring import LabelOption, report

export = typer.Typer(
    help="Bring into a lake what a service keeps. Example: humeanalytics export chats --sandbox --lake lake", no_args_is_help=True
)
app.add_typer(export, name="export")


@export.callback()
def _export() -> None:
    pass


@export.command(epilog="Example: humeanalytics export chats --sandbox --lake lake --manifest users.csv --on custom_session_id")
def chats(
    lake: LakeOption = None,
    since: Annotated[str | None, typer.Option(help="Only chats that began from then, e.g. 2026-10-01.", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(help="Only chats that began before.", metavar="TIME")] = None,
    config: Annotated[str | None, typer.Option(help="Only chats that used this config.", metavar="ID")] = None,
    chat: Annotated[list[str] | None, typer.Option(help="This chat and no other; repeatable.", metavar="ID")] = None,
    group: Annotated[list[str] | None, typer.Option(help="The chats of this group; repeatable.", metavar="ID")] = None,
    audio: Annotated[bool, typer.Option("--audio", help="Have the sound of each chat made, and fetch it.")] = False,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Keep the embeddings of speech in the table too.")] = False,
    manifest: Annotated[Path | None, typer.Option(help="CSV that ties labels to chats.", metavar="FILE")] = None,
    on: Annotated[
        str | None,
        typer.Option("--on", help="Its column: chat_id, chat_group_id or custom_session_id.", metavar="COLUMN"),
    ] = None,
    label: LabelOption = None,
    token: Annotated[bool, typer.Option("--token", help="Use an access token (HUME_SECRET_KEY) instead of the key.")] = False,
    sandbox: SandboxOption = False,
    seed: SeedOption = 7,
    wait: WaitOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: JsonOption = False,
) -> int:
    """Bring EVI's conversations into a lake: all of them the first time, then what is new or has changed."""
    from humeanalytics.jobs.export import export_chats
    from humeanalytics.jobs.manifest import parse_label

    uri = lake_uri(lake)
    with service(uri, sandbox=sandbox, seed=seed, flow="evi", lock_wait_s=seconds(wait)) as connection:
        summary = export_chats(
            uri,
            since=since,
            until=until,
            config=config,
            chat=chat,
            group=group,
            audio=audio,
            embeddings=embeddings,
            manifest=manifest,
            on=on,
            labels=dict(parse_label(each) for each in label or ()),
            with_token=token,
            settings=connection,
            lock_wait_s=seconds(wait),
            progress=not quiet,
        )
    return report(summary, json)
