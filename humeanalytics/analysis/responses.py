"""What one side of a chat did after the other: how the caller's voice changed after a tone of the assistant's, or vice versa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers
from humeanalytics.analysis.observations import PERSON_LABELS, label_column, unit_column
from humeanalytics.analysis.turn_taking import SPEAKERS, Turns, read_turns
from humeanalytics.analysis.units import false_discovery, generator, interval_of_mean, p_of_pairs, resampled
from humeanalytics.errors import UsageError

_GROUP, _CHAT = "chat_group_id", "chat_id"
_NUMBERS = ("change_after_low", "change_after_high", "effect", "ci_low", "ci_high", "correlation", "p_value", "q_value")
#: How many pairs of expressions are drawn for at a time.
_PAIRS = 256


@frames.says_of_what
def responses(
    turns: Any,
    expressions: Sequence[str] | str | None = None,
    after: Sequence[str] | str | None = None,
    *,
    of: str = "caller",
    unit: str | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2_000,
    n_permutations: int = 10_000,
    seed: int = 0,
    mixed_settings: bool = False,
) -> pa.Table:
    """Return how one side's voice changed, from one of its turns to its next, after the other's tone in between.

    Three turns in a row make one observation: the caller's, the assistant's answer to it, the caller's next (of the assistant:
    two turns of its own with the caller's between). A voice that was far from its mean comes back by itself, and whoever answers
    an angry caller gently would seem to have calmed them; so change is taken beside what is to be expected of the voice before:
    both change and tone less their straight lines on it. Units count the same each, however long they spoke, and interval and
    p are of units, for turns of one person are alike. What goes together need not be cause and effect: what the two sides said
    is in neither.

    Args:
        turns: A frame of turns, as for `conversation`.
        expressions: Whose change: of the side ``of``, by column or by Hume's name.
        after: The other side's tone that came before it, likewise. Each of the first is taken with each of these; left out, both
            are all expressions, 48 x 48 questions of which some answer by chance: name those you have a reason for.
        of: ``caller`` (their change after the assistant's tone) or ``assistant`` (its change after the caller's feeling).
        unit: The label of what is independent, such as ``participant`` or ``chat_id``. May be left out where the frame has no
            label of people: then it is the chat group (chats that resumed one another), or the chat where it is in none.
        confidence: Of the interval.
        n_resamples: How often units are drawn anew for the interval.
        n_permutations: How often signs of units are dealt anew for p; where there are no more ways than that, all are tried.
        seed: Of what is drawn.
        mixed_settings: Take rows that were scored with different settings together. A Query asks its
            lake, and a column ``settings_id`` tells; other frames do not say.

    Returns:
        A row is one expression and one tone, by p: ``speaker`` (``of``), ``expression``, ``column``, ``after_speaker``, ``after``
        (Hume's name), ``after_column``; ``change_after_low``, ``change_after_high`` (mean change where the tone was at most its
        median, and above it, as it would be from the usual voice before); ``effect`` (change with one standard deviation more
        of the tone, the voice before being equal), ``ci_low``, ``ci_high``; ``correlation`` (partial, -1 to 1), ``p_value``
        (two-sided), ``q_value`` (Benjamini and Hochberg, over all rows); ``n_units``, ``n_rows`` (observations),
        ``n_rows_unlabelled`` (turns without a unit), ``unit``, ``measure``, ``method``, ``seed``. Null where tone or voice does
        not vary beside the voice before, or there are fewer than four observations; interval and p with fewer than two units.

    Raises:
        UsageError: It is no frame of turns or has nothing like three turns in a row with scores; no such expression; ``unit`` is
            left out though the frame says whose rows are; a number that cannot be; or scores that must not be mixed are.

    Examples:
        >>> from datetime import datetime
        >>> at, gentle = [datetime(2026, 3, 1, 12, minute) for minute in range(3)], [0.0, 1.0] * 4
        >>> frame = pa.table({"chat_id": [f"c{n}" for n in range(8) for _ in range(3)], "turn": [1, 2, 3] * 8,
        ...     "speaker": ["caller", "assistant", "caller"] * 8, "greeting": [False] * 24, "first_at": at * 8, "last_at": at * 8,
        ...     "sympathy": [each for tone in gentle for each in (0.0, tone, 0.0)],
        ...     "anger": [each for tone in gentle for each in (0.5, 0.0, 0.5 - 0.25 * tone)]})
        >>> answer = responses(frame, "anger", "sympathy")
        >>> answer.select(["change_after_low", "change_after_high", "correlation", "n_units"]).to_pylist()
        [{'change_after_low': 0.0, 'change_after_high': -0.25, 'correlation': -1.0, 'n_units': 8}]
    """
    if of not in SPEAKERS:
        raise UsageError(f"of is {of!r}; it is caller or assistant.")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence:g}; it is a share between 0 and 1, such as 0.95.")
    for name, number in (("n_resamples", n_resamples), ("n_permutations", n_permutations)):
        if number < 100:
            raise UsageError(f"{name} is {number}; fewer than 100 say nothing.")
    asked: list[list[str]] = []

    def labels(schema: pa.Schema) -> list[str]:
        asked[:] = [frames.chosen_columns(schema, each) for each in (expressions, after)]
        if unit is not None:
            return [label_column(schema, unit, "to tell independent units by")]
        if any(name.lower() in PERSON_LABELS for name in schema.names):
            return [unit_column(schema, None)]
        return [name for name in (_GROUP, _CHAT) if name in schema.names]

    # What is named twice is read once; labels are known only when the frame is.
    both = None if expressions is None or after is None else [*_listed(expressions), *_listed(after)]
    taken = read_turns(turns, both, labels, mixed_settings=mixed_settings)
    whose, n_units, unit_name, n_unlabelled = _units(taken, unit)
    before, between, later = _threes(taken, SPEAKERS.index(of), whose)
    if len(before) == 0:
        raise UsageError(
            f"Nowhere in the frame does the {SPEAKERS[1 - SPEAKERS.index(of)]} speak between two turns of the {of}"
            + (f" that have {unit_name}." if n_unlabelled else ". Pass all turns of the chats, of both sides.")
        )
    rng = generator(seed)
    rows: list[dict[str, Any]] = []
    pairs = [(own, other) for own in asked[0] for other in asked[1]]
    cached: dict[str, Floats] = {}

    def scores(column: str) -> Floats:
        if column not in cached:
            cached[column] = taken.observations.scores(column)
        return cached[column]

    for done in range(0, len(pairs), _PAIRS):
        some = pairs[done : done + _PAIRS]
        told, gains, sizes = [], np.zeros((n_units, len(some))), np.zeros((n_units, len(some)))
        for at, (own, other) in enumerate(some):
            its = (scores(own)[before], scores(other)[between], scores(own)[later])
            numbers, gains[:, at], sizes[:, at] = _of_pair(*its, whose[before], n_units)
            told.append(numbers)
        drawn = _drawn(rng, gains, sizes, [each["n_units"] for each in told], confidence, n_resamples, n_permutations)
        for at, (own, other) in enumerate(some):
            numbers = told[at]
            scale = numbers.pop("sd")
            rows.append(
                {
                    "speaker": of,
                    "expression": taken.observations.label(own),
                    "column": own,
                    "after_speaker": SPEAKERS[1 - SPEAKERS.index(of)],
                    "after": taken.observations.label(other),
                    "after_column": other,
                    **numbers,
                    "ci_low": drawn[0][at] * scale,
                    "ci_high": drawn[1][at] * scale,
                    "p_value": drawn[2][at],
                    "n_rows_unlabelled": n_unlabelled,
                    "unit": unit_name,
                    "measure": taken.observations.measure,
                    "method": f"change beside the voice before, units counting the same; units resampled ({n_resamples:,}), "
                    "widened for few units as t is; their signs permuted",
                    "seed": seed,
                }
            )
    if not any(row["n_rows"] for row in rows):
        raise UsageError("No three turns in a row have scores: typed text has none. Look at lake['turns'] for who has.")
    q_values = false_discovery(np.array([row["p_value"] for row in rows]))
    for row, q_value in zip(rows, q_values, strict=True):
        row["q_value"] = float(q_value)
    rows.sort(key=lambda row: (math.isnan(row["p_value"]), row["p_value"], -abs(row["correlation"]), row["column"]))
    for row in rows:
        row.update({name: None for name in _NUMBERS if math.isnan(row[name])})
    return pa.Table.from_pylist(rows, _SCHEMA)


def _listed(names: Sequence[str] | str) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _units(turns: Turns, unit: str | None) -> tuple[Integers, int, str, int]:
    """Return the number of each turn's unit (-1 without one), how many there are, what tells them, and turns without."""
    table = turns.observations.table
    ids: list[str | None]
    if unit is None:
        # A chat in no group is a unit of its own.
        name = _GROUP if _GROUP in table.column_names else _CHAT
        keys = [name] if name == _CHAT else [_GROUP, _CHAT]
        pairs, found = frames.codes(table, keys)
        ids = [each[0] if each[0] is not None else f"chat {each[-1]}" for each in found]
    else:
        name = unit
        pairs, found = frames.codes(table, [unit])
        ids = [each[0] for each in found]
        if not any(each is not None for each in ids):
            raise UsageError(f"{name} is null in every row. Labels come from a manifest: export chats or ingest with --manifest.")
    # By name and not as they come, so that the same seed draws the same units whatever the order of rows.
    place = {each: at for at, each in enumerate(sorted({each for each in ids if each is not None}))}
    whose = np.array([place[each] if each is not None else -1 for each in ids], np.int64)[pairs]
    return whose, len(place), name, int(np.count_nonzero(whose < 0))


def _threes(turns: Turns, speaker: int, whose: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the places of turns of a speaker, of the other's turns right after them, and of the speaker's right after those."""
    at = np.arange(max(0, len(turns.chat) - 2))
    fits = (
        (turns.chat[at] == turns.chat[at + 2])
        & (turns.number[at + 2] == turns.number[at] + 2)
        & (turns.speaker[at] == speaker)
        & (turns.speaker[at + 1] != speaker)
        & (turns.speaker[at + 2] == speaker)
        & (whose[at] >= 0)
    )
    return at[fits], at[fits] + 1, at[fits] + 2


def _of_pair(before: Floats, tone: Floats, later: Floats, unit: Integers, n_units: int) -> tuple[dict[str, Any], Floats, Floats]:
    """Return the numbers of a pair, and of each unit the product of what is left of tone and change, and the tone's square."""
    known = np.isfinite(before) & np.isfinite(tone) & np.isfinite(later)
    before, tone, change, unit = before[known], tone[known], (later - before)[known], unit[known]
    found: dict[str, Any] = dict.fromkeys(("change_after_low", "change_after_high", "effect", "correlation", "sd"), math.nan)
    rows_of = np.bincount(unit, minlength=n_units)
    found |= {"n_units": int(np.count_nonzero(rows_of)), "n_rows": len(unit)}
    nothing = np.zeros(n_units)
    if len(unit) < 4:
        return found, nothing, nothing
    weight = 1.0 / rows_of[unit] / found["n_units"]
    left_tone, left_change = _beside(tone, before, weight), _beside(change, before, weight)
    sd = math.sqrt(_variance(tone, weight))
    own, other = (weight @ each**2 for each in (left_tone, left_change))
    usual = float(weight @ change)
    high = tone > np.median(tone)
    for name, which in (("change_after_low", ~high), ("change_after_high", high)):
        if which.any() and high.any():
            found[name] = usual + float(np.average(left_change[which], weights=weight[which]))
    if not (own > 1e-12 * max(sd**2, 1e-12) and other > 1e-12 * max(_variance(change, weight), 1e-12)):
        return found, nothing, nothing  # tone, or change, is a straight line on the voice before: rounding is left
    slope = float(weight @ (left_tone * left_change) / own)
    found |= {"effect": slope * sd, "correlation": slope * math.sqrt(own / other), "sd": sd}
    gains = np.bincount(unit, left_tone * left_change, n_units) / np.maximum(rows_of, 1)
    return found, gains, np.bincount(unit, left_tone**2, n_units) / np.maximum(rows_of, 1)


def _beside(values: Floats, before: Floats, weight: Floats) -> Floats:
    """Return what is left of values when their weighted straight line on ``before`` is taken away."""
    apart, spread = before - weight @ before, _variance(before, weight)
    centred = values - weight @ values
    return np.asarray(centred - apart * (weight @ (apart * centred) / spread) if spread > 1e-24 else centred)


def _variance(values: Floats, weight: Floats) -> float:
    return float(weight @ (values - weight @ values) ** 2)


def _drawn(
    rng: np.random.Generator,
    gains: Floats,
    sizes: Floats,
    n_units: Sequence[int],
    confidence: float,
    n_resamples: int,
    n_permutations: int,
) -> tuple[Floats, Floats, Floats]:
    """Return both ends of the interval of the slope and its p, of each pair; NaN where that cannot be told."""
    low, high, p = (np.full(gains.shape[1], np.nan) for _ in range(3))
    some = np.flatnonzero((np.array(n_units) > 1) & (sizes.sum(axis=0) > 0))
    if len(some) == 0:
        return low, high, p
    gains, sizes = gains[:, some], sizes[:, some]
    here = sizes > 0  # units without an observation of any pair are not drawn
    gains, sizes = gains[here.any(axis=1)], sizes[here.any(axis=1)]
    slope = gains.sum(axis=0) / sizes.sum(axis=0)
    slopes = []
    for draws in resampled(rng, len(gains), n_resamples):
        total = draws @ sizes
        slopes.append(np.divide(draws @ gains, total, out=np.full(total.shape, 0.0) + slope, where=total > 0))
    n = np.maximum(2, np.array(n_units)[some])
    wider = slope + (np.concatenate(slopes) - slope) * np.sqrt(n / (n - 1))
    low[some], high[some] = interval_of_mean(wider, confidence, slope, n - 1)
    p[some] = p_of_pairs(rng, gains, n_permutations)[0]
    return low, high, p


_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("speaker", "expression", "column", "after_speaker", "after", "after_column")),
        *((name, pa.float64()) for name in _NUMBERS),
        *((name, pa.int64()) for name in ("n_units", "n_rows", "n_rows_unlabelled")),
        ("unit", pa.string()),
        ("measure", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
    ]
)
