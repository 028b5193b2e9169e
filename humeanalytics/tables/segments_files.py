"""Read the phases of a recording from a file that annotates it: one tier of ELAN's or of Praat's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.segments import Segment
from humeanalytics.tables.segments_elan import ElanMedia, is_elan, read_elan
from humeanalytics.tables.words_rows import WordRows, decoded, head_text
from humeanalytics.tables.words_textgrid import Tier, is_textgrid, textgrid_tiers

_HEAD_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class Annotated:
    """What one file says of one recording.

    Attributes:
        segments: In the order of the file.
        media: What it calls the recording, where it does.
    """

    segments: tuple[Segment, ...]
    media: tuple[ElanMedia, ...] = ()


def is_annotation(data: bytes) -> bool:
    """Tell whether bytes are, or mean to be, annotations of ELAN's or a TextGrid; CSV is neither."""
    head = head_text(data[:_HEAD_BYTES]).lstrip()
    return is_textgrid(head) or is_elan(head) or head.startswith("<")


def read_annotation(data: bytes, *, tier: str | None = None, name: str = "the segments") -> Annotated:
    """Read one tier of a file of ELAN's (.eaf) or a TextGrid of Praat's; intervals without a text are none.

    Args:
        data: The bytes.
        tier: Which tier; may be left out where only one has any text.
        name: What errors call the file.

    Raises:
        UnreadableResponse: It is broken, has no such tier, or several to choose from; says where, or which there are.

    Examples:
        >>> grid = b'"ooTextFile"\\n"TextGrid"\\n0 9 <exists> 1 "IntervalTier" "task" 0 9 2 0 4 "rest" 4 9 ""'
        >>> [(each.begin_s, each.end_s, each.segment) for each in read_annotation(grid).segments]
        [(0.0, 4.0, 'rest')]
    """
    media: list[ElanMedia] = []
    if is_textgrid(head_text(data[:_HEAD_BYTES]).lstrip()):
        if data.lstrip().startswith(b"ooBinaryFile"):
            raise UnreadableResponse(f"{name}: this is a TextGrid in Praat's binary form. Save it as a text file.", item=name)
        tiers = textgrid_tiers(decoded(data, name), WordRows(name))
    else:
        tiers, media = read_elan(data, name)
    chosen = _chosen(tiers, tier, name)
    segments = (Segment(begin_s, end_s, text.strip(), f"{name}, line {line}") for begin_s, end_s, text, line in chosen.intervals)
    return Annotated(tuple(segments), tuple(media))


def _chosen(tiers: Sequence[Tier], wanted: str | None, name: str) -> Tier:
    listed = ", ".join(repr(each.name) for each in tiers) or "none"
    if wanted is not None:
        fitting = [each for each in tiers if each.name == wanted] or [
            each for each in tiers if each.name.strip().casefold() == wanted.strip().casefold()
        ]
        what = f"no tier {wanted!r}" if not fitting else f"{len(fitting)} tiers {wanted!r}"
        hint = "Say which holds the segments with --tier"
    else:
        fitting = [each for each in tiers if each.intervals] or list(tiers[:1])
        what = "no tier" if not fitting else f"{len(fitting)} tiers with something in them"
        hint = "Say which of them holds the segments with --tier"
    if len(fitting) != 1:
        raise UnreadableResponse(f"{name}: it has {what}. Its tiers: {listed}. {hint}.", item=name)
    return fitting[0]
