"""Which part of a picture is looked at, the right way up, and how to find the way back to the media's own pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from humeanalytics.errors import UsageError

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels of a picture as it is shown: turned upright, its pixels square. ``x, y`` is its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read ``x,y,w,h``, as ``--crop`` takes it.

        Raises:
            UsageError: It is not four whole numbers, or of no size.

        Examples:
            >>> Region.parse("640,0,640,360")
            Region(x=640, y=0, width=640, height=360)
        """
        try:
            x, y, width, height = (int(part) for part in text.split(","))
        except ValueError:
            raise UsageError(f"A crop is x,y,w,h in pixels, such as 640,0,640,360; not {text!r}.") from None
        if x < 0 or y < 0 or width < 1 or height < 1:
            raise UsageError(f"A crop begins within the picture and has some width and height; not {text!r}.")
        return cls(x, y, width, height)

    def lies_within(self, width: int, height: int) -> bool:
        return self.x + self.width <= width and self.y + self.height <= height

    def box_in_media(self, box: Box, width: int, height: int) -> Box:
        """Turn a box ``(x0, y0, x1, y1)`` in a JPEG of this region, ``width`` by ``height`` pixels, into one of the whole.

        >>> Region(640, 0, 640, 360).box_in_media((0, 0, 160, 90), 320, 180)
        (640.0, 0.0, 960.0, 180.0)
        """
        across, down = self.width / width, self.height / height
        x0, y0, x1, y1 = box
        return self.x + x0 * across, self.y + y0 * down, self.x + x1 * across, self.y + y1 * down


def fitted(width: int, height: int, most_pixels: int) -> tuple[int, int]:
    """Return the largest size of the same shape that has no more than ``most_pixels``.

    >>> fitted(1920, 1080, 8_294_400), fitted(7680, 4320, 8_294_400)
    ((1920, 1080), (3840, 2160))
    """
    if width * height <= most_pixels:
        return width, height
    scale = math.sqrt(most_pixels / (width * height))
    narrower = min(max(int(width * scale + 1e-9), 1), most_pixels)
    return narrower, min(max(int(height * scale + 1e-9), 1), most_pixels // narrower)


#: Signs of the upper left corner of a display matrix (a, b, c, d: x' = ax + cy, y' = bx + dy) -> FFmpeg's filters, and whether
#: width and height change places.
_TURNS: dict[tuple[int, int, int, int], tuple[tuple[str, ...], bool]] = {
    (1, 0, 0, 1): ((), False),
    (-1, 0, 0, 1): (("hflip",), False),
    (1, 0, 0, -1): (("vflip",), False),
    (-1, 0, 0, -1): (("hflip", "vflip"), False),
    (0, 1, -1, 0): (("transpose=clock",), True),
    (0, -1, 1, 0): (("transpose=cclock",), True),
    (0, 1, 1, 0): (("transpose=cclock_flip",), True),
    (0, -1, -1, 0): (("transpose=clock_flip",), True),
}


def turns(matrix: Sequence[int]) -> tuple[tuple[str, ...], bool]:
    """Return what FFmpeg must do to a frame for its display matrix (nine numbers), and whether its sides change places.

    Only the four right angles and their mirror images exist here; any other angle counts as the nearest.

    >>> turns([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30])
    (('transpose=clock',), True)
    """
    a, b, c, d = (matrix[place] for place in (0, 1, 3, 4))
    upright = abs(a) + abs(d) >= abs(b) + abs(c)
    signs = (_sign(a), 0, 0, _sign(d)) if upright else (0, _sign(b), _sign(c), 0)
    return _TURNS[signs]


def _sign(number: int) -> int:
    return -1 if number < 0 else 1
