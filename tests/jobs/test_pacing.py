"""How many uploads go at once: few at first, more while all goes well, half when the service complains."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from humeanalytics.jobs.pacing import Budget, Lanes, Room


def test_lanes_grow_and_are_halved_once_a_moment() -> None:
    lanes = Lanes(8)
    seen = [lanes.open]
    for _ in range(40):
        lanes.went_well()
        seen.append(lanes.open)
    assert seen[0] == 2
    assert seen[-1] == 8
    assert all(later - earlier in (0, 1) for earlier, later in itertools.pairwise(seen))
    lanes.complained()
    lanes.complained()
    assert lanes.open == 4, "one moment of the service's makes several uploads complain"


@given(tasks=st.integers(1, 40), most=st.integers(1, 6), cancelled=st.sets(st.integers(0, 39)))
def test_never_more_than_open_and_all_get_their_turn(tasks: int, most: int, cancelled: set[int]) -> None:
    async def main() -> None:
        lanes, done = Lanes(most), 0

        async def upload() -> None:
            nonlocal done
            async with lanes.lane():
                assert lanes.used <= lanes.open <= most
                await asyncio.sleep(0)
                lanes.went_well()
            done += 1

        running = [asyncio.ensure_future(upload()) for _ in range(tasks)]
        await asyncio.sleep(0)
        for number in cancelled:
            if number < tasks:
                running[number].cancel()
        await asyncio.gather(*running, return_exceptions=True)
        assert done >= tasks - len(cancelled)
        assert lanes.used == 0

    asyncio.run(main())


def test_room_bounds_what_lies_prepared() -> None:
    async def main() -> None:
        room = Room(100)
        await room.take(60)
        waiting = asyncio.ensure_future(room.take(60))
        await asyncio.sleep(0)
        assert not waiting.done()
        room.give_back(60)
        await waiting
        room.give_back(60)
        await room.take(500)  # larger than all of it: alone
        assert room.held_bytes == 500

    asyncio.run(main())


@given(limit=st.floats(0, 1000), costs=st.lists(st.floats(10, 100), max_size=30))
def test_a_budget_is_never_passed(limit: float, costs: list[float]) -> None:
    budget = Budget(limit)
    taken = [cost for cost in costs if budget.take(cost)]
    assert sum(taken) <= limit + 1e-6
