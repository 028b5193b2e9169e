"""Frames of a video made into JPEGs: upright, square pixels, the part that is asked for."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from av.filter import Graph
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from humeanalytics.media import jpeg
from humeanalytics.media.geometry import Region, fitted, turns
from humeanalytics.media.packing import Picture

_UPRIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)


class Darkroom:
    """Turns frames of one video into JPEGs; builds FFmpeg's chain of filters again only when the frames' form changes."""

    def __init__(self, aspect: Fraction | None, crop: Region | None, most_pixels: int) -> None:
        self._aspect = aspect or Fraction(1)
        self._crop = crop
        self._most_pixels = most_pixels
        self._form: tuple[object, ...] = ()
        self._graph: Graph | None = None
        self._region = Region(0, 0, 1, 1)
        self.outside = 0
        self.outside_size = ""

    def developed(self, frame: VideoFrame, time_s: float) -> Picture | None:
        """Return a frame as a picture; None where the crop does not lie within it."""
        matrix = _display_matrix(frame)
        form = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, *matrix)
        if form != self._form:
            self._form = form
            self._set_up(frame, matrix)
        if self._graph is None:
            self.outside += 1
            return None
        frame.pts, frame.time_base = 0, Fraction(1)
        self._graph.vpush(frame)
        content, width, height = jpeg.encoded(self._graph.vpull(), most_pixels=self._most_pixels)
        return Picture(content, width, height, self._region, time_s)

    def _set_up(self, frame: VideoFrame, matrix: Sequence[int]) -> None:
        filters, sides_change = turns(matrix)
        width, height = _square(frame.width, frame.height, self._aspect)
        steps = [] if (width, height) == (frame.width, frame.height) else [f"scale={width}:{height}"]
        steps.extend(filters)
        if sides_change:
            width, height = height, width
        region = self._crop or Region(0, 0, width, height)
        self._region = region
        if not region.lies_within(width, height):
            self._graph, self.outside_size = None, f"{width}x{height} pixels"
            return
        if self._crop is not None:
            steps.append(f"crop={region.width}:{region.height}:{region.x}:{region.y}:exact=1")
        fit_width, fit_height = fitted(region.width, region.height, self._most_pixels)
        steps.append(f"scale={fit_width}:{fit_height}:out_range=full:out_color_matrix=bt601")
        self._graph = _graph(frame, [*steps, "format=yuvj420p"])


def _display_matrix(frame: VideoFrame) -> Sequence[int]:
    pieces: Any = frame.side_data  # iterates over its values, whatever its type says
    for data in pieces:
        if data.type is SideDataType.DISPLAYMATRIX:
            return struct.unpack("=9i", bytes(data))
    return _UPRIGHT


def _square(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """The size with square pixels: no side gets shorter."""
    if not Fraction(1, 10) < aspect < 10 or aspect == 1:
        return width, height
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def _graph(frame: VideoFrame, steps: list[str]) -> Graph:
    graph = Graph()
    size = f"{frame.width}x{frame.height}"
    source = graph.add(
        "buffer",
        video_size=size,
        pix_fmt=frame.format.name,
        time_base="1/1",
        colorspace=str(frame.colorspace),
        range=str(frame.color_range),
    )
    nodes = [source]
    for step in steps:
        name, _, arguments = step.partition("=")
        nodes.append(graph.add(name, arguments or None))
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph
