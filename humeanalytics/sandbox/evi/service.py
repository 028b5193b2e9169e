"""EVI, put together."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route

from humeanalytics.sandbox.clock import Clock
from humeanalytics.sandbox.evi.audio import Audio
from humeanalytics.sandbox.evi.control import EviControl
from humeanalytics.sandbox.evi.history import History
from humeanalytics.sandbox.evi.operations import EviOperations
from humeanalytics.sandbox.evi.store import EviStore
from humeanalytics.sandbox.evi.tokens import Tokens
from humeanalytics.sandbox.options import SandboxOptions


class EviService:
    """The conversations of one sandbox.

    Attributes:
        control: What a test asks of them.
        tokens: The access tokens.
    """

    def __init__(self, folder: Path, seed: int, clock: Clock, options: SandboxOptions, user_id: str) -> None:
        self._store = EviStore(folder, clock.now_ms())
        try:
            history = History(seed, self._store, options)
            self._audio = Audio(history, self._store, clock, options, user_id)
        except BaseException:
            self._store.close()
            raise
        self._operations = EviOperations(history, self._audio, clock, options, user_id)
        self.tokens = Tokens(clock, options.evi_token_s)
        self.control = EviControl(history, self._operations, self._audio, self._store, clock, options)

    def routes(self) -> list[Route]:
        return [
            *self._operations.routes(),
            *self._audio.routes(),
            *self.tokens.routes(),
            *self.control.routes(),
        ]

    def close(self) -> None:
        """Close the files."""
        self._store.close()
