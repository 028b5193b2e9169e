"""Score recordings and export conversations with Hume AI in bulk; keep every answer; ask it anything in SQL.

Importing this package loads the standard library only; everything else is loaded when it is first used.

>>> import humeanalytics as ha
>>> tables = ha.flatten("predictions.json")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

#: Public name -> the module that has it.
_EXPORTS = {
    "Lake": "humeanalytics.lake.lake",
    "Listener": "humeanalytics.jobs.listening",
    "Query": "humeanalytics.lake.query",
    "RunSummary": "humeanalytics.jobs.summary",
    "Sandbox": "humeanalytics.sandbox.embedded",
    "SandboxOptions": "humeanalytics.sandbox.options",
    "Settings": "humeanalytics.settings",
    "Composite": "humeanalytics.analysis.definitions",
    "agreement": "humeanalytics.analysis.agreements",
    "baseline": "humeanalytics.analysis.baselines",
    "compare": "humeanalytics.analysis.comparisons",
    "composite": "humeanalytics.analysis.composites",
    "conversation": "humeanalytics.analysis.conversations",
    "drift": "humeanalytics.analysis.drifts",
    "events": "humeanalytics.analysis.moments",
    "export_chats": "humeanalytics.jobs.export",
    "flatten": "humeanalytics.jobs.reading",
    "flatten_batches": "humeanalytics.jobs.reading",
    "ingest": "humeanalytics.jobs.ingesting",
    "label": "humeanalytics.analysis.who_when",
    "listen": "humeanalytics.jobs.listening",
    "load_settings": "humeanalytics.settings",
    "partings": "humeanalytics.analysis.partings",
    "presence": "humeanalytics.analysis.presence",
    "quality": "humeanalytics.analysis.doubts",
    "rebuild": "humeanalytics.jobs.rebuilding",
    "reconcile": "humeanalytics.jobs.reconciling",
    "open_lake": "humeanalytics.jobs.opening",
    "responses": "humeanalytics.analysis.responses",
    "score": "humeanalytics.jobs.scoring",
    "summarise": "humeanalytics.analysis.summaries",
    "timeline": "humeanalytics.analysis.over_time",
    "top": "humeanalytics.analysis.strongest",
    "verify_webhook": "humeanalytics.receiver.signature",
    "write": "humeanalytics.lake.frame_files",
}
_MODULES = {"errors": "humeanalytics.errors", "plot": "humeanalytics.plot", "vocabulary": "humeanalytics.vocabulary"}

__all__ = [*sorted(_EXPORTS), *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([name for name in globals() if name.startswith("__")] + __all__)
