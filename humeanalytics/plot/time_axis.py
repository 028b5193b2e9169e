"""A time axis that people read: ticks at whole seconds, minutes and hours, written m:ss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, Locator

_STEPS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


class TimeLocator(Locator):
    """Ticks at multiples of a step that clocks have; about ``count`` of them, fewer where they would crowd."""

    def __init__(self, count: int = 9) -> None:
        self.count = count

    def __call__(self) -> Sequence[float]:
        low, high = self.axis.get_view_interval()  # type: ignore[union-attr]
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((vmin, vmax))
        step = next((step for step in _STEPS_S if (high - low) / step <= self.count), None)
        if step is None:
            step = float(np.ceil((high - low) / self.count / 86400)) * 86400
        return [float(tick) for tick in np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step]


def clock(seconds: float, digits: int = 0) -> str:
    """Return a time as ``m:ss``, from an hour on as ``h:mm:ss``.

    >>> clock(65), clock(3725), clock(1.25, 2), clock(-5)
    ('1:05', '1:02:05', '0:01.25', '-0:05')
    """
    sign, seconds = ("-" if round(seconds, digits) < 0 else ""), abs(round(seconds, digits))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:0{3 + digits if digits else 2}.{digits}f}"
    return f"{sign}{hours}:{minutes:02}:{shown}" if hours else f"{sign}{minutes}:{shown}"


class TimeFormatter(Formatter):
    """Writes ticks as `clock` does, with fractions of a second only where some tick has one."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return clock(x, _digits([x]))

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        digits = _digits(values)
        return [clock(value, digits) for value in values]


def _digits(values: Sequence[float]) -> int:
    return next((digits for digits in (0, 1) if all(round(v, digits) == round(v, 2) for v in values)), 2)


def set_time_axis(axis: Axis, count: int = 9) -> None:
    """Give an axis ticks and labels of time, about ``count`` of them."""
    axis.set_major_locator(TimeLocator(count))
    axis.set_major_formatter(TimeFormatter())
