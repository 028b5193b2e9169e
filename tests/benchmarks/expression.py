"""Measure `score` by v1: how near it comes to what the network alone takes, and how much memory it needs.

    python tests/benchmarks/expression.py throughput --recordings 1000
    python tests/benchmarks/expression.py long --hours 10

Prints figures; asserts nothing. Traffic goes to a sandbox on loopback only, in a process of its own that answers after 200 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
from sandbox_server import sandbox_process

RATE_HZ = 16_000
DELAY_S = 0.2
CONCURRENCY = 4

SCORE = """
import json, resource, sys, time
begun = time.perf_counter()
import humeanalytics as ha
inputs, lake, url = sys.argv[1:]
settings = ha.load_settings(api_key="benchmark", expression_base_url=url, concurrency=4, requests_per_s=1000.0)
summary = ha.score(inputs, lake, models=["audio"], settings=settings)
took_s, used = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
told = {"cpu_s": round(used.ru_utime + used.ru_stime, 2), "peak_mb": round(used.ru_maxrss / 1024)}
told |= {"uploads": dict(summary.uploads), "rows": dict(summary.rows), "exit": summary.exit_code}
print(json.dumps({"took_s": round(took_s, 2), "run_s": round(summary.duration_s, 2), **told}))
"""


def talk(seconds: float, number: int, of_five_s: float = 2.0) -> np.ndarray:
    """A voice in two seconds of every five, or in more of them."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voiced = (time_s % 5 > (5 - of_five_s) / 3) & (time_s % 5 < (5 - of_five_s) / 3 + of_five_s)
    sound = np.sin(2 * np.pi * (100 + number % 97) * time_s) * voiced * 0.2
    samples = np.asarray(sound * 32767, np.int16)
    samples[0] = number  # no two are the same bytes
    return samples


def write_wav(path: Path, pieces: Iterator[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        for piece in pieces:
            file.writeframes(piece.tobytes())


def score(inputs: Path, lake: Path, url: str) -> dict[str, object]:
    """Score in a fresh process and return what it measured of itself."""
    command = [sys.executable, "-c", SCORE, str(inputs), str(lake), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


async def bare_client(folder: Path, url: str) -> float:
    """Send all files over as many connections and throw the answers away: what is to be had here. Returns seconds."""
    waiting = sorted(folder.iterdir())

    async def send(client: httpx.AsyncClient) -> None:
        while waiting:
            sound = waiting.pop().read_bytes()
            files = [("config", (None, "{}", "application/json")), ("file", ("a.wav", sound, "audio/wav"))]
            (await client.post("/v1/expression/audio/file", files=files)).raise_for_status()

    async with httpx.AsyncClient(base_url=url, timeout=60, headers={"X-Hume-Api-Key": "benchmark"}) as client:
        begun = time.perf_counter()
        await asyncio.gather(*(send(client) for _ in range(CONCURRENCY)))
        return time.perf_counter() - begun


def throughput(count: int) -> None:
    """Many WAV recordings of 30 s: the time of the run, what the network wait alone would allow, and what a bare client takes."""
    with tempfile.TemporaryDirectory() as temporary, sandbox_process(expression_delay_s=DELAY_S) as url:
        folder = Path(temporary) / "recordings"
        for number in range(count):
            write_wav(folder / f"{number:05d}.wav", iter([talk(30.0, number)]))
        told = score(folder, Path(temporary) / "lake", url)
        wait_s = count * DELAY_S / CONCURRENCY
        bare_s = asyncio.run(bare_client(folder, url))
        ratios = {"ratio": round(float(str(told["run_s"])) / wait_s, 2), "bare_client_ratio": round(bare_s / wait_s, 2)}
        print(json.dumps({"recordings": count, "network_wait_s": wait_s, **ratios, **told}), flush=True)


def long(hours: float, of_five_s: float) -> None:
    """One very long recording."""
    with tempfile.TemporaryDirectory() as temporary, sandbox_process(expression_delay_s=DELAY_S) as url:
        wav = Path(temporary) / "recordings" / "long.wav"
        write_wav(wav, (talk(60.0, minute, of_five_s) for minute in range(round(hours * 60))))
        begun = time.perf_counter()
        told = score(wav, Path(temporary) / "lake", url)
        print(
            json.dumps({"hours": hours, "of_five_s": of_five_s, "process_s": round(time.perf_counter() - begun, 1), **told}),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("throughput").add_argument("--recordings", type=int, default=1000)
    of_long = commands.add_parser("long")
    of_long.add_argument("--hours", type=float, default=10.0)
    of_long.add_argument("--of-five-s", type=float, default=2.0, help="so many seconds of speech in every five")
    given = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0]}))
    throughput(given.recordings) if given.command == "throughput" else long(given.hours, given.of_five_s)


if __name__ == "__main__":
    main()
