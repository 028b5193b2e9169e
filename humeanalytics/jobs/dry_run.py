"""``score --dry-run``: what would be sent, how much it is, and about what it would cost. Sends and writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from humeanalytics.api.batch import LIMITS
from humeanalytics.errors import LakeNotFound
from humeanalytics.jobs.batch import FLOW
from humeanalytics.jobs.cost import batch_cost_usd
from humeanalytics.jobs.expression_dry_run import ExpressionDryRun
from humeanalytics.jobs.expression_scoring import FLOW as V1
from humeanalytics.jobs.expression_scoring import ExpressionScoring
from humeanalytics.jobs.flow import state_folder
from humeanalytics.jobs.intake import take_in
from humeanalytics.jobs.ledger import LEDGER_FILE, Ledger
from humeanalytics.jobs.manifest import read_manifest
from humeanalytics.jobs.opening import open_lake
from humeanalytics.jobs.plan import Grouping, suits, work_of
from humeanalytics.jobs.scoring import scoring_of, sources_of
from humeanalytics.jobs.taking_in import Labelling
from humeanalytics.jobs.work import Problem, Recording, Source
from humeanalytics.settings import Settings, load_settings


@dataclass
class DryRun:
    """What a `score` with the same arguments would do now."""

    recordings: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    media_types: Counter[str] = field(default_factory=Counter)
    duration_s: float = 0.0
    size_bytes: int = 0
    cost_usd: float = 0.0
    prices_as_of: str = ""
    problems: list[dict[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"recordings": dict(self.recordings), "media_types": dict(self.media_types)}

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.media_types.items())) or "nothing"
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.recordings.items() if count)
        lines = [
            f"found:      {counts}",
            f"would send: {kinds} in {self.jobs:,} jobs",
            f"size:       {self.duration_s:,.1f} s of sound and video, {self.size_bytes / 1e6:,.2f} MB",
            f"cost:       about {self.cost_usd:,.4f} USD at list prices of {self.prices_as_of}",
        ]
        return "\n".join(lines + [f"refused:    {each['message']}" for each in self.problems])


def dry_run_of(
    inputs: Iterable[str],
    lake: str,
    *,
    models: Any = None,
    options: Mapping[str, Any] | None = None,
    scoring: Any = None,
    texts: Path | None = None,
    text_column: str | None = None,
    manifest: Path | None = None,
    on: str | None = None,
    labels: Mapping[str, str] | None = None,
    rehash: bool = False,
    api: str | None = None,
    budget_s: float | None = None,
    resend_unknown: str = "never",
    settings: Settings | None = None,
) -> DryRun | ExpressionDryRun:
    """Return what `score` with the same arguments would send. New files are read; nothing is sent or written."""
    settings = settings or load_settings()
    sources = sources_of(inputs, texts, text_column, api)
    labelling = Labelling(None if manifest is None else read_manifest(manifest, on=on), labels or {}, sources)
    wanted = scoring_of(api, scoring, models, options, True)
    if isinstance(wanted, ExpressionScoring):
        return _by_expression(sources, lake, wanted, labelling, settings, rehash, budget_s)
    plan = DryRun(prices_as_of=settings.batch_prices.as_of.isoformat())
    host = urlsplit(settings.base_url).netloc
    to_send = _unsent(sources, lake, FLOW, host, wanted.settings_id, settings, rehash, plan.recordings)
    grouping = Grouping(settings)
    groups = []
    for source in to_send:
        found = source if isinstance(source, Recording) else take_in(source, labelling.recorded_at)
        if isinstance(found, Problem):
            plan.problems.append({"uri": found.source.uri, "message": found.message})
            plan.recordings["refused"] += 1
        elif labelling.of(found.source)[1] is not None:
            plan.recordings["excluded"] += 1
        elif not suits(found.media_type, wanted.models):
            plan.recordings["unsuited"] += 1
        else:
            groups += list(grouping.add(found))
    groups += list(grouping.rest())
    works = [work_of(recording, position) for group in groups for position, recording in enumerate(group)]
    plan.jobs = len(groups)
    plan.media_types.update(work.media_type or "unknown" for work in works)
    plan.duration_s = sum(work.duration_s or 0.0 for work in works)
    plan.size_bytes = sum(work.size_bytes or 0 for work in works)
    plan.cost_usd = batch_cost_usd(works, settings.batch_prices)
    return plan


def _by_expression(
    sources: list[Source],
    lake: str,
    scoring: ExpressionScoring,
    labelling: Labelling,
    settings: Settings,
    rehash: bool,
    budget_s: float | None,
) -> ExpressionDryRun:
    plan = ExpressionDryRun(usd_per_s=settings.expression_usd_per_s, budget_s=budget_s)
    host = urlsplit(settings.expression_base_url).netloc
    to_send = _unsent(sources, lake, V1, host, scoring.settings_id, settings, rehash, plan.recordings)
    for source in to_send:
        found = source if isinstance(source, Recording) else take_in(source, labelling.recorded_at, limits=None)
        if isinstance(found, Recording) and labelling.of(found.source)[1] is not None:
            plan.recordings["excluded"] += 1
        else:
            plan.add(found, scoring, settings.expression_chunk_s)
    plan.finish()
    return plan


def _unsent(
    sources: list[Source],
    lake: str,
    api: str,
    host: str,
    settings_id: str,
    settings: Settings,
    rehash: bool,
    recordings: Counter[str],
) -> list[Source | Recording]:
    """What of the sources the ledger of the lake, if there is one, does not know as sent."""
    recordings["found"] = len(sources)
    try:
        with open_lake(lake, create=False) as opened:
            path = state_folder(opened, settings) / LEDGER_FILE
    except LakeNotFound:
        return list(sources)
    if not path.is_file():
        return list(sources)
    limits = LIMITS if api == FLOW else None
    by_uri = {source.uri: source for source in sources}
    with Ledger.open(path) as ledger:
        origin = ledger.last_origin(api) or host
        standing = ledger.look_up(sources, api=api, origin=origin, settings_id=settings_id, recheck=rehash)
        known = ledger.recordings([by_uri[uri] for uri in standing.to_plan])
        new = [take_in(by_uri[uri], limits=limits) for uri in standing.new]
        ids = [each.recording_id for each in new if isinstance(each, Recording)]
        claimed = ledger.claimed(ids, api=api, origin=origin, settings_id=settings_id)
    counts = {
        "known": standing.done,
        "under_way": standing.under_way,
        "failed_before": standing.failed_before,
        "excluded": standing.excluded,
    }
    recordings.update(counts)
    fresh = [each for each in new if isinstance(each, Problem) or each.recording_id not in claimed]
    recordings["known"] += len(new) - len(fresh)
    return [*known, *(each.source if isinstance(each, Problem) else each for each in fresh)]
