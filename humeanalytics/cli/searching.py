"""``search``: what was said in chats, found by its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from humeanalytics.cli.app import app
from humeanalytics.cli.options import JsonOption, LakeOption, existing_lake, print_json

if TYPE_CHECKING:
    from rich.text import Text

    from humeanalytics.lake.lake import Lake
    from humeanalytics.lake.searching.search import Counts

_CONTEXT_CHARACTERS = 120
_SPEAKER_WIDTH = 9
#: What a text could do to a terminal.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], " ")


@app.command(epilog='Example: humeanalytics search "refund -paypal" --speaker caller --lake lake')
def search(
    query: Annotated[
        list[str],
        typer.Argument(
            help='Words; "a phrase" in quotes of its own, word for word; -word for what shall not be there.', metavar="QUERY"
        ),
    ],
    lake: LakeOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Show so many of the best.")] = 10,
    speaker: Annotated[str | None, typer.Option(help="Only what caller or assistant said.", metavar="WHO")] = None,
    since: Annotated[str | None, typer.Option(help="Only what was said from then, e.g. 2026-10-01.", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option(help="Only what was said before.", metavar="TIME")] = None,
    any_: Annotated[bool, typer.Option("--any", help="One of the words is enough.")] = False,
    json: JsonOption = False,
) -> None:
    """Find what was said in chats: messages with all the words, in whatever English or German form, the best first."""
    asked = " ".join(query)
    choice: dict[str, Any] = {"speaker": speaker, "since": since, "until": until, "any_word": any_}
    with existing_lake(lake) as opened:
        rows = opened.search(asked, limit=limit, **choice).rows()
        if json:
            print_json(rows)
            return
        counts = opened.search_counts(asked, **choice)
        if rows:
            _print_found(rows, counts)
        else:
            typer.echo(_why_nothing(opened, counts))


def _why_nothing(lake: Lake, counts: Counts) -> str:
    if not lake.sql("SELECT 1 FROM chat_events LIMIT 1").rows():
        return "no chats in this lake. Bring some with: humeanalytics export chats, or ingest."
    if not counts.by_item:
        return "nothing to look for: the query has no words of its own."
    each = ", ".join(f"{text} ({count:,})" for text, count in counts.by_item.items())
    if len(counts.by_item) == 1:
        return f"no message found: {each}"
    more = f"\n--any finds the {counts.any_word:,} that have one of them." if counts.any_word and not counts.found else ""
    return f"no message found that has all: {each}{more}"


def _print_found(rows: list[dict[str, Any]], counts: Counts) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    for row in rows:
        when = f"{row['timestamp']:%Y-%m-%d %H:%M:%S}" if row["timestamp"] else "at no known time"
        console.print(
            Text.assemble((f"{row['rank']}. {when}", "bold"), (f"  chat {_shown(row['chat_id'])}", "dim")), overflow="fold"
        )
        block = Table.grid(padding=(0, 1))
        block.add_column(min_width=_SPEAKER_WIDTH, no_wrap=True)
        block.add_column(overflow="fold")
        if row["before_text"]:
            before = _shown(row["before_text"])
            text = before if len(before) <= _CONTEXT_CHARACTERS else f"… {before[-_CONTEXT_CHARACTERS:]}"
            block.add_row(Text(row["before_speaker"], "dim"), Text(text, "dim"))
        block.add_row(Text(row["speaker"], "bold"), _highlighted(row, styled=console.is_terminal))
        felt = ", ".join(f"{row[f'expression_{n}']} {row[f'score_{n}']:.2f}" for n in (1, 2, 3) if row[f"expression_{n}"])
        if felt:
            block.add_row("", Text(felt, "italic dim"))
        if row["after_text"]:
            after = _shown(row["after_text"])
            text = after if len(after) <= _CONTEXT_CHARACTERS else f"{after[:_CONTEXT_CHARACTERS]} …"
            block.add_row(Text(row["after_speaker"], "dim"), Text(text, "dim"))
        console.print(Padding(block, (0, 0, 1, 3), expand=False))
    more = f"the best {len(rows):,} of {counts.found:,} messages; --limit shows more" if counts.found > len(rows) else ""
    console.print(more or f"{counts.found:,} message{'s' * (counts.found != 1)}")


def _highlighted(row: dict[str, Any], *, styled: bool) -> Text:
    """Return the part of a message with its hits: in colour, or where there is none in brackets."""
    from rich.text import Text

    from humeanalytics.lake.searching.marking import marked, snippet_of

    text, hits = snippet_of(row["message_text"], [(hit["begin"], hit["end"]) for hit in row["hits"]])
    if not styled:
        return Text(_shown(marked(text, hits)))
    shown = Text(_shown(text))
    for begin, end in hits:
        shown.stylize("bold black on yellow", begin, end)
    return shown


def _shown(text: str) -> str:
    return text.translate(_CONTROLS)
