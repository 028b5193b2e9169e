"""The verb `listen`: chats and jobs come into the lake when Hume says that they have ended."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, Self

from humeanalytics.errors import SettingsError, UsageError
from humeanalytics.jobs.flow import lake_uri, state_folder
from humeanalytics.jobs.listening_store import STORE_FILE, DeliveryStore
from humeanalytics.jobs.listening_work import Worker
from humeanalytics.jobs.lock import flow_lock
from humeanalytics.jobs.opening import open_lake
from humeanalytics.lake.durable import create_file, make_folder
from humeanalytics.lake.lake import Lake
from humeanalytics.receiver.app import BATCH_PATH, EVI_PATH, TOKEN_PARAMETER, Receiver, Terms
from humeanalytics.receiver.serving import ReceiverServer
from humeanalytics.settings import Settings, load_settings

DEFAULT_PORT = 8899
_FOLDER = "listen"
_TOKEN_FILE = "callback.token"
_TOKEN_LETTERS = 32
_POLL_S = 0.05


class Listener:
    """Take webhooks of EVI and callbacks of v0 jobs, and bring what they tell of into a lake, while the ``with`` block runs.

    What is taken is on the disk before it is answered, each event once; chats are exported and jobs collected in the background,
    through the API, and tried again until it works: also by the next listener on the same lake. Of what is refused there is a
    count and nothing else. A webhook that was signed more than 180 s ago is refused (401). One that comes again within that
    time is taken for what it most likely is, a delivery that was repeated: it is answered like the first (200), and nothing
    follows from it.

    Args:
        lake: The lake.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        insecure: Take webhooks that nobody signed: anybody who reaches the port may say what he likes.
        body_bytes: No webhook may be larger. Of a callback, which holds all predictions, no more is looked at.
        per_s: So many deliveries are taken a second, on the average.
        settings: Key, host, limits, and ``webhook_signing_keys``. Default: from the environment (`load_settings`).
        lock_wait_s: How long to wait for another listener on this lake, in seconds.
        say: Told, in a line, what was done and what hinders.
        now_s: The clock of signatures, in Unix seconds; in tests.

    Attributes:
        url: Where it listens, for example ``http://127.0.0.1:8899``.
        webhook_url: What goes into ``webhooks`` of a config of EVI (Hume calls https only: put a proxy in front).
        callback_url: What goes into ``callback_url`` of a v0 job. It holds a token: whoever knows it may have jobs collected.

    Raises:
        SettingsError: There is no signing key, or no API key.
        UsageError: It cannot listen there.
        LakeLocked: Another listener works on the lake.

    Examples:
        >>> with ha.Listener("lake", port=0) as listener:  # doctest: +SKIP
        ...     start_a_job(callback_url=listener.callback_url)
    """

    def __init__(
        self,
        lake: Lake | str | os.PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        insecure: bool = False,
        body_bytes: int = 1_000_000,
        per_s: float = 50.0,
        settings: Settings | None = None,
        lock_wait_s: float = 0.0,
        say: Callable[[str], None] = lambda line: None,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        if body_bytes < 1 or per_s <= 0:
            raise UsageError("A receiver takes at least one byte, and at least something a second.")
        self._lake, self._settings = lake, settings or load_settings()
        self._host, self._port, self._insecure, self._lock_wait_s = host, port, insecure, lock_wait_s
        self._body_bytes, self._per_s, self._say, self._now_s = body_bytes, per_s, say, now_s
        self.url = self.webhook_url = self.callback_url = ""

    def __enter__(self) -> Self:
        keys = self._keys()
        self._settings.key()
        with ExitStack() as stack:
            given = self._lake
            lake = given if isinstance(given, Lake) else stack.enter_context(open_lake(lake_uri(given, self._settings)))
            state = state_folder(lake, self._settings)
            stack.enter_context(flow_lock(state / "locks", _FOLDER, lake_uri=lake.uri, wait_s=self._lock_wait_s))
            folder = state / _FOLDER
            shutil.rmtree(folder / "collected", ignore_errors=True)  # of a listener that was killed
            token = callback_token(folder)
            self._store = stack.enter_context(DeliveryStore(folder / STORE_FILE, added=lambda: self._worker.wake()))
            self._worker = Worker(lake, self._store, self._settings, self._say)
            terms = Terms(keys, token, self._body_bytes, self._per_s)
            self._receiver = Receiver(self._store, terms, now_s=self._now_s)
            stack.enter_context(self._worker)
            # Entered last, so that it is the first to end: nothing is taken that nobody will note.
            self.url = stack.enter_context(ReceiverServer(self._receiver.app, self._host, self._port)).url
            self.webhook_url, self.callback_url = urls(self.url, token)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __repr__(self) -> str:
        return f"<Listener {self.url or 'not running'}>"

    def counts(self) -> dict[str, Any]:
        """Return how many deliveries were taken, what of them is done, and how many were refused, by reason."""
        return {**self._store.counts(), "refused": dict(self._receiver.refused)}

    def wait_until_done(self, timeout_s: float) -> bool:
        """Wait until nothing is left to do now; return whether that came within ``timeout_s``. The rest comes later."""
        deadline = time.monotonic() + timeout_s
        while self._worker.is_busy:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _keys(self) -> tuple[str, ...]:
        keys = self._settings.signing_keys()
        if not keys and not self._insecure:
            raise SettingsError(
                "No key to verify webhooks with. Set HUME_WEBHOOK_SIGNING_KEY (from Hume's portal; several with commas between), "
                "or name a file of keys with --signing-key-file. --insecure takes webhooks that nobody signed."
            )
        if keys and self._insecure:
            raise UsageError("There is a signing key, so --insecure would be for nothing: leave out one of the two.")
        return keys


def listen(
    lake: Lake | str | os.PathLike[str] | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    insecure: bool = False,
    body_bytes: int = 1_000_000,
    per_s: float = 50.0,
    settings: Settings | None = None,
    lock_wait_s: float = 0.0,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Take webhooks and callbacks until Ctrl-C or SIGTERM; return the counts. `Listener` does the same beside other code.

    Args:
        lake, host, port, insecure, body_bytes, per_s, settings, lock_wait_s: See `Listener`.
        say: Told in a line where it listens, what was done and what hinders. Lines hold no secrets.

    Raises:
        SettingsError: There is no signing key, or no API key.
        UsageError: It cannot listen there.
        LakeLocked: Another listener works on the lake.

    Examples:
        >>> import humeanalytics as ha
        >>> ha.listen("lake", port=8899)  # doctest: +SKIP
    """
    listener = Listener(
        lake,
        host=host,
        port=port,
        insecure=insecure,
        body_bytes=body_bytes,
        per_s=per_s,
        settings=settings,
        lock_wait_s=lock_wait_s,
        say=say,
    )
    told_to_end = threading.Event()
    before = _on_signals(told_to_end)
    try:
        with listener:
            say(f"listening on {listener.url}")
            for what, url in zip(("webhooks of EVI", "callbacks of v0"), urls(listener.url, "..."), strict=True):
                say(f"{what}: {url}")
            say("The whole addresses, with the token of callbacks: humeanalytics listen --show-urls")
            try:
                while not told_to_end.wait(0.5):  # a wait without end cannot be interrupted on Windows
                    pass
            except KeyboardInterrupt:  # where a notebook, or a thread's owner, keeps signals to itself
                pass
            return listener.counts()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_signals(told_to_end: threading.Event) -> dict[int, Any]:
    def end(number: int, frame: FrameType | None) -> None:
        told_to_end.set()

    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}


def urls(url: str, token: str) -> tuple[str, str]:
    """Return what Hume is to call, under the address that it reaches the receiver by: of EVI's webhooks, of v0's callbacks."""
    base = url.rstrip("/")
    return f"{base}{EVI_PATH}", f"{base}{BATCH_PATH}?{TOKEN_PARAMETER}={token}"


def hook_urls(
    lake: Lake | str | os.PathLike[str] | None = None, url: str | None = None, *, settings: Settings | None = None
) -> tuple[str, str]:
    """Return the addresses to give to Hume for a lake: that of EVI's webhooks, and that of v0's callbacks, with its token.

    They stay what they are from one listener to the next.

    Args:
        lake: The lake; it is made if there is none.
        url: How the receiver is reached from outside. Default: where it listens by default.
        settings: Default: from the environment (`load_settings`).
    """
    settings = settings or load_settings()
    with ExitStack() as stack:
        opened = lake if isinstance(lake, Lake) else stack.enter_context(open_lake(lake_uri(lake, settings)))
        return urls(url or f"http://127.0.0.1:{DEFAULT_PORT}", callback_token(state_folder(opened, settings) / _FOLDER))


def callback_token(folder: Path) -> str:
    """Return the token of a lake's callbacks, which is made when it is first asked for; only its owner can read the file."""
    make_folder(folder)
    folder.chmod(0o700)  # what callers said, and their numbers, wait here too until they are loaded
    path = folder / _TOKEN_FILE
    create_file(path, secrets.token_urlsafe(32).encode("ascii"))
    path.chmod(0o600)
    token = path.read_text(encoding="ascii").strip()
    if len(token) < _TOKEN_LETTERS:
        raise SettingsError(f"{path} holds no token. Delete it, and a new one is made; jobs that have the old one call in vain.")
    return token
