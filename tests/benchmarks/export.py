"""Measure the export of chats: how near it comes to what four connections allow, and what a second run with nothing new costs.

    python tests/benchmarks/export.py --chats 2000 --events 50

Prints figures; asserts nothing. Traffic goes to a sandbox on loopback only, in a process of its own that answers after 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from sandbox_server import sandbox_process

import humeanalytics as ha

DELAY_S = 0.02
CONNECTIONS = 4
_KEY = {"X-Hume-Api-Key": "benchmark"}


def fleet(chats: int, events: int) -> AbstractContextManager[str]:
    return sandbox_process(evi_chats=chats, evi_events_per_chat=events, evi_running=0, evi_delay_s=DELAY_S)


class Requests(logging.Handler):
    """Counts requests, as the HTTP library logs them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        logging.getLogger("httpx").addHandler(self)
        logging.getLogger("httpx").setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


async def bare_client(url: str) -> tuple[int, float]:
    """Read all pages of all chats over as many connections and throw them away. Returns pages and seconds."""
    async with httpx.AsyncClient(base_url=url, headers=_KEY, timeout=60) as client:

        async def page(path: str, number: int) -> dict[str, object]:
            params = {"page_number": number, "page_size": 100, "ascending_order": "true"}
            return dict((await client.get(path, params=params)).raise_for_status().json())

        ids: list[str] = []
        number, pages, begun = 0, 0, time.perf_counter()
        while True:
            told = await page("/v0/evi/chats", number)
            ids += [chat["id"] for chat in told["chats_page"]]  # type: ignore[attr-defined]
            number, pages = number + 1, pages + 1
            if number >= int(str(told["total_pages"])):
                break

        async def read() -> int:
            count = 0
            while ids:
                chat, number, total = ids.pop(), 0, 1
                while number < total:
                    total = int(str((await page(f"/v0/evi/chats/{chat}", number))["total_pages"]))
                    number, count = number + 1, count + 1
            return count

        pages += sum(await asyncio.gather(*(read() for _ in range(CONNECTIONS))))
        return pages, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=2000)
    parser.add_argument("--events", type=int, default=50)
    given = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0]}), flush=True)
    with tempfile.TemporaryDirectory() as temporary, fleet(given.chats, given.events) as url:
        pages, bare_s = asyncio.run(bare_client(url))
        settings = ha.load_settings(api_key="benchmark", base_url=url)
        requests, lake = Requests(), Path(temporary) / "lake"
        begun, cpu_s = time.perf_counter(), time.process_time()
        summary = ha.export_chats(lake, settings=settings)
        took_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_s
        wait_s = requests.count * DELAY_S / CONNECTIONS
        peak_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        told = {"chats": summary.chats["new"], "events": summary.rows["chat_events"], "requests": requests.count}
        told |= {"wait_s": round(wait_s, 1), "took_s": round(took_s, 1), "ratio": round(took_s / wait_s, 2)}
        told |= {"bare_ratio": round(bare_s / (pages * DELAY_S / CONNECTIONS), 2), "cpu_s": round(cpu_s, 1), "peak_mb": peak_mb}
        print(json.dumps(told), flush=True)
        requests.count, begun = 0, time.perf_counter()
        again = ha.export_chats(lake, settings=settings)
        again_s = round(time.perf_counter() - begun, 1)
        print(json.dumps({"again": dict(again.chats), "requests": requests.count, "took_s": again_s}), flush=True)


if __name__ == "__main__":
    main()
