"""Stretches of time before they are drawn: what was measured of whom, where people spoke at once, where a face was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from humeanalytics.analysis import frames
from humeanalytics.analysis.covered_time import Floats, Integers, merged_spans
from humeanalytics.errors import UsageError

#: Columns that say which person of a recording a row is about, of v1 which channel.
PEOPLE = (*frames.PERSON_COLUMNS, "channel")
#: Of so many stretches, gaps that are narrower than this share of the axis are closed: they would not show.
_MANY_SPANS, _NARROW = 4000, 1 / 3000
#: As `humeanalytics.quality` has it: a step so much longer than the usual one means that a face was lost.
_LOST_STEPS = 1.5


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of time, each of a strip."""

    begin_s: Floats
    end_s: Floats
    strip: Integers

    def of(self, strips: int) -> Spans:
        """Return those of the first strips."""
        kept = self.strip < strips
        return Spans(self.begin_s[kept], self.end_s[kept], self.strip[kept])

    def closed(self, gap_s: float) -> Spans:
        """Return longer stretches, without the gaps that are this short."""
        begin_s, end_s, strip = merged_spans(self.begin_s, self.end_s + gap_s, self.strip)
        return Spans(begin_s, end_s - gap_s, strip)


@dataclass(frozen=True, slots=True)
class Strips:
    """What is drawn of all strips, numbered as the rows of `quality` are; ``length_s`` is up to where each recording goes."""

    length_s: Floats
    measured: Spans
    shared: Spans
    lost: Spans
    n_untimed: int
    of_frames: bool

    @property
    def narrow_s(self) -> float | None:
        """How short a gap is that does not show; None where there are so few stretches that all are drawn."""
        many = max(len(self.measured.begin_s), len(self.shared.begin_s), len(self.lost.begin_s)) > _MANY_SPANS
        return float(self.length_s.max()) * _NARROW if many else None

    def shown(self, spans: Spans) -> Spans:
        return spans if self.narrow_s is None else spans.closed(self.narrow_s)

    @property
    def named(self) -> list[tuple[str, str]]:
        """What there is to be told apart, and what it is called."""
        more = [("lost", "face lost")] if self.of_frames else [("shared", "others speak too")] if len(self.shared.begin_s) else []
        return [("measured", "measured"), *more, ("whole", "not measured")]

    @staticmethod
    def of(table: pa.Table, quality: Sequence[dict[str, Any]], drawn: int) -> Strips:
        keys = [name for name in frames.RECORDING_COLUMNS if name in table.column_names]
        whose = [name for name in PEOPLE if name in table.column_names][:1]
        number, parts = frames.codes(table, [*keys, *whose])
        place = {tuple(row[key] for key in [*keys, "person"]): at for at, row in enumerate(quality)}
        strip = np.array([place[part if whose else (*part, None)] for part in parts])[number]
        whole_of: dict[tuple[Any, ...], int] = {}
        whole = np.array([whole_of.setdefault(tuple(row[key] for key in keys), len(whole_of)) for row in quality])
        spans = {"begin_s", "end_s"} <= set(table.column_names)
        begin, end = (frames.numbers(table, name if spans else "time_s") for name in ("begin_s", "end_s"))
        timed = np.isfinite(begin) & np.isfinite(end)
        if not timed.any():
            raise UsageError("Nothing to draw: no row of the frame has a time.")
        begin, end, its_strip = begin[timed], end[timed], strip[timed]
        if spans:
            measured, lost = Spans(*merged_spans(begin, end, its_strip)), _NOTHING
            shared = _at_once(measured.of(int(np.count_nonzero(whole <= whole[drawn - 1]))), whole)
        else:
            measured, lost = _seen(begin, its_strip, whole)
            shared = _NOTHING
        ends = np.zeros(len(whole_of))
        np.maximum.at(ends, whole[measured.strip], measured.end_s)
        if "duration_s" in table.column_names:
            lengths = frames.numbers(table, "duration_s")
            np.fmax.at(ends, whole[strip], lengths)
        return Strips(ends[whole], measured, shared, lost, int(np.count_nonzero(~timed)), not spans)


_NOTHING = Spans(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))


def _at_once(measured: Spans, whole: Integers) -> Spans:
    """Return where another strip of the same recording is measured too."""
    found: list[tuple[float, float, int]] = []
    order = np.lexsort((measured.begin_s, whole[measured.strip]))
    under_way: list[int] = []
    for at in order:
        begin, strip = measured.begin_s[at], measured.strip[at]
        under_way = [each for each in under_way if measured.end_s[each] > begin and whole[measured.strip[each]] == whole[strip]]
        for other in under_way:
            end = min(measured.end_s[other], measured.end_s[at])
            found += [(begin, end, int(strip)), (begin, end, int(measured.strip[other]))]
        under_way.append(int(at))
    if not found:
        return _NOTHING
    begins, ends, strips = zip(*found, strict=True)
    return Spans(*merged_spans(np.array(begins), np.array(ends), np.array(strips)))


def _seen(time_s: Floats, strip: Integers, whole: Integers) -> tuple[Spans, Spans]:
    """Return where a face is in frame after frame, and where it is not between two frames that show it."""
    order = np.lexsort((time_s, strip))
    time_s, strip = time_s[order], strip[order]
    kept = np.concatenate(([True], (np.diff(strip) != 0) | (np.diff(time_s) > 0)))
    time_s, strip = time_s[kept], strip[kept]
    within = np.diff(strip) == 0
    step, its_whole = np.diff(time_s)[within], whole[strip[1:][within]]
    usual = np.zeros(int(whole.max()) + 1)
    for each in np.unique(its_whole):
        steps = np.sort(step[its_whole == each])
        usual[each] = steps[len(steps) // 2]
    usual_s = usual[whole[strip]]
    ends = np.concatenate((~within | (np.diff(time_s) > _LOST_STEPS * usual_s[:-1]), [True]))
    begins = np.concatenate(([True], ends[:-1]))
    spans = Spans(time_s[begins], time_s[ends] + usual_s[ends], strip[begins])
    lost = np.flatnonzero(np.diff(spans.strip) == 0)
    return spans, Spans(spans.end_s[lost], spans.begin_s[lost + 1], spans.strip[lost])
