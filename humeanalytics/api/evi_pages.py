"""Lists that come in pages: one walk for all of them, oldest or newest first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from humeanalytics.api.evi_items import PageHead
from humeanalytics.api.http import HumeClient
from humeanalytics.errors import InvalidAnswer

T = TypeVar("T")

#: The most the service gives at once.
PAGE_SIZE = 100
#: Newest first, a page repeats when a page's worth of items has been added; but not again and again.
_MOST_REPEATS = 10


@dataclass(frozen=True, slots=True)
class Walk:
    """How to walk a list.

    Oldest first, what is added meanwhile comes at the end and nothing moves: the walk for a first export. Newest first, it comes
    at the beginning and pushes the rest along: items come twice, none is missed, and whoever knows the rest can stop early. What
    is deleted meanwhile makes either walk skip as many items.

    Attributes:
        ascending: Oldest first.
        from_page: Where to begin, counted from 0.
        page_size: Items a page, 1 to 100.
        take: Gets the number of each page and its bytes as they came, once they are whole and have the form of a page. It must
            not wait for anything.
    """

    ascending: bool = True
    from_page: int = 0
    page_size: int = PAGE_SIZE
    take: Callable[[int, bytes], object] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page.

    Attributes:
        number: Which, counted from 0.
        ascending: Whether its items are oldest first, as the service says it gave them; as asked where it does not say.
        total_pages: How many pages there were when this one was made; None where the service does not say.
        items: What is on it.
        head: What the page tells of the chat or chat group whose page it is.
        is_last: Whether the list ends with it.
    """

    number: int
    ascending: bool
    total_pages: int | None
    items: tuple[T, ...]
    head: PageHead
    is_last: bool

    @property
    def offset(self) -> int:
        """Position of its first item in the list, counted in the order of the list."""
        return self.number * (self.head.page_size or PAGE_SIZE)


async def walk_pages(
    http: HumeClient, path: str, type_: type[PageHead], params: Mapping[str, Any], walk: Walk, *, ordered: bool = True
) -> AsyncGenerator[Page[Any], None]:
    """Yield the pages of a list until it ends: with its last page, or with an empty one.

    Args:
        http: Asks.
        path: Whose list.
        type_: What a page of it is.
        params: What else is asked; None is left out.
        walk: In which order, from where.
        ordered: Whether the list takes an order.

    Raises:
        InvalidAnswer: The service gives another page than was asked for, or the same items again and again: nothing may be
            concluded from such a list.
    """
    given = {name: value for name, value in params.items() if value is not None}
    number, before, repeats = walk.from_page, tuple[str, ...](), 0
    while True:
        asked: dict[str, Any] = {"page_number": number, "page_size": walk.page_size}
        if ordered:
            asked["ascending_order"] = "true" if walk.ascending else "false"
        take = None if walk.take is None else partial(walk.take, number)
        page = _page(await http.get_json(path, {**asked, **given}, type_, take), number, walk.ascending, http.origin, path)
        ids = tuple(item.id for item in page.items)
        repeats = repeats + 1 if ids and ids == before and all(ids) else 0
        if repeats > (0 if page.ascending else _MOST_REPEATS):
            raise _wrong(http.origin, path, f"page {number} has the very items of the page before it")
        yield page
        if page.is_last:
            return
        number, before = number + 1, ids


def _page(answer: Any, asked: int, ascending: bool, origin: str, path: str) -> Page[Any]:
    told, direction = answer.page_number, (answer.pagination_direction or "").upper()
    if told is not None and told != asked:
        raise _wrong(origin, path, f"asked for page {asked} it gives page {told}")
    items = tuple(item for item in answer.items if item is not None)
    total = answer.total_pages
    # A total of 0 or less beside items says nothing; then the list ends with an empty page, as for the official clients.
    known_end = total is not None and total > 0 and asked + 1 >= total
    ascending = direction == "ASC" if direction in ("ASC", "DESC") else ascending
    return Page(asked, ascending, total, items, answer, is_last=known_end or not answer.items)


def _wrong(origin: str, path: str, what: str) -> InvalidAnswer:
    return InvalidAnswer(
        f"The list {path} at {origin} cannot be read to its end: {what}. Nothing can be concluded from what is missing in it. "
        "Run the same command again later; if it stays so, check HUME_BASE_URL.",
        status=200,
    )
