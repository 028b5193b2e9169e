"""Large files pass through in pieces: neither an upload nor a download is ever held whole."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

MB = 1_000_000
FILE_BYTES = 90 * MB
DOWNLOAD_BYTES = 150 * MB


@pytest.fixture
def endless_server() -> Iterator[str]:
    """A server that swallows whatever is sent and answers with a large JSON array, holding neither."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        left = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
        received = 0
        while received < left:
            received += len(await reader.read(1 << 20))
        if head.startswith("POST"):
            body = json.dumps({"job_id": str(received)}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n[" % DOWNLOAD_BYTES)
            left = DOWNLOAD_BYTES - 2
            while left:
                piece = min(left, 1 << 20)
                writer.write(b" " * piece)
                await writer.drain()
                left -= piece
            writer.write(b"]")
        await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


# A process of its own, since memory that other tests have used and given back would hide what this one takes.
CLIENT = """
    import asyncio, gc, io, json, sys
    from pathlib import Path
    import psutil
    from humeanalytics.api.batch import BatchApi, Upload
    from humeanalytics.settings import Settings

    url, path = sys.argv[1], Path(sys.argv[2])
    process, most = psutil.Process(), 0

    def measure():
        global most
        most = max(most, process.memory_info().rss)

    class File(io.FileIO):
        def read(self, size=-1):
            measure()
            return super().read(size)

    class Sink:
        def write(self, data): measure()
        def commit(self): pass
        def abort(self): pass

    async def main():
        global most
        settings = Settings(_env_file=None, api_key="k", base_url=url, requests_per_s=1000.0)
        async with BatchApi(settings) as batch:
            await batch.start_from_files({}, [Upload("small", 3, None, lambda: io.BytesIO(b"abc"))])
            gc.collect()
            measure()
            before, size_bytes = most, path.stat().st_size
            sent = await batch.start_from_files({}, [Upload("large.wav", size_bytes, "audio/wav", lambda: File(path))])
            upload, most = most - before, 0
            came = await batch.predictions("j", Sink)
            print(json.dumps({"sent": int(sent), "came": came, "upload": upload, "download": most - before}))

    asyncio.run(main())
"""


def test_a_large_file_takes_no_memory(endless_server: str, tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES)
    command = [sys.executable, "-c", textwrap.dedent(CLIENT), endless_server, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    assert figures["sent"] > FILE_BYTES
    assert figures["came"] == DOWNLOAD_BYTES
    assert figures["upload"] < 20 * MB
    assert figures["download"] < 20 * MB
