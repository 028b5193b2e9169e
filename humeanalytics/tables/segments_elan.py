"""Read annotations of ELAN (.eaf): tiers of stretches of time, each with a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn
from xml.parsers import expat

from humeanalytics.errors import UnreadableResponse
from humeanalytics.tables.words_rows import whole
from humeanalytics.tables.words_textgrid import Tier

_ALIGNED, _REFERRING = "ALIGNABLE_ANNOTATION", "REF_ANNOTATION"


@dataclass(frozen=True, slots=True)
class ElanMedia:
    """A recording that a file of ELAN is about: its place as it is written there, and where in it the file's clock begins."""

    uri: str
    offset_ms: int


def is_elan(head: str) -> bool:
    """Tell whether a file is one of ELAN by its beginning."""
    return "<ANNOTATION_DOCUMENT" in head


def read_elan(data: bytes, name: str) -> tuple[list[Tier], list[ElanMedia]]:
    """Read a file of ELAN.

    An annotation without a time of its own has that of the one it refers to, as far up as need be. Time slots without a value lie
    evenly between the nearest ones that have one: so ELAN shows them.

    Args:
        data: Its bytes.
        name: What errors call it.

    Returns:
        Its tiers, without annotations that are empty, and the recordings it names.

    Raises:
        UnreadableResponse: It is broken, or declares entities; says in which line.
    """
    document = _Document(name)
    document.read(data)
    return [Tier(tier.name, tuple(document.intervals(tier))) for tier in document.tiers], document.media


@dataclass
class _Annotation:
    line: int
    slots: tuple[str, str] | None
    parent: str | None
    text: list[str] = field(default_factory=list)


@dataclass
class _Annotations:
    name: str
    ids: list[str] = field(default_factory=list)


@dataclass
class _Document:
    """What is in the file while it is read, element by element."""

    name: str
    tiers: list[_Annotations] = field(default_factory=list)
    media: list[ElanMedia] = field(default_factory=list)
    _slots: dict[str, float | None] = field(default_factory=dict)
    _annotations: dict[str, _Annotation] = field(default_factory=dict)
    _open: _Annotation | None = None
    _in_value: bool = False
    _root: str | None = None
    _parser: expat.XMLParserType = field(default_factory=expat.ParserCreate)

    def read(self, data: bytes) -> None:
        parser = self._parser
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        # Nobody needs entities of their own in annotations, and a few of them can fill all memory.
        parser.EntityDeclHandler = self._refuse_entity
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            self._broken(error.lineno, f"this is no XML: {expat.ErrorString(error.code)}. Save it again in ELAN")
        except UnreadableResponse:
            raise
        except (ValueError, LookupError) as error:  # an encoding that does not exist
            self._broken(parser.CurrentLineNumber, f"this is no XML: {error}")

    def _refuse_entity(self, entity: str, *_: object) -> None:
        self._broken(self._parser.CurrentLineNumber, f"it declares an entity ({entity!r}), which no file of ELAN does")

    def _broken(self, line: int, reason: str) -> NoReturn:
        raise UnreadableResponse(f"{self.name}, line {line}: {reason}.", item=self.name)

    def _start(self, element: str, has: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        if self._root is None:
            self._root = element
            if element != "ANNOTATION_DOCUMENT":
                self._broken(line, f"this is XML of the kind {element!r}, not a file of ELAN")
        try:
            if element == "MEDIA_DESCRIPTOR":
                self.media += [
                    ElanMedia(has[key], int(has.get("TIME_ORIGIN", 0)))
                    for key in ("MEDIA_URL", "RELATIVE_MEDIA_URL")
                    if has.get(key)
                ]
            elif element == "HEADER" and has.get("TIME_UNITS", "milliseconds") != "milliseconds":
                self._broken(line, f"its times are in {has['TIME_UNITS']}; ELAN writes milliseconds")
            elif element == "TIME_SLOT":
                value = has.get("TIME_VALUE")
                self._slots[has["TIME_SLOT_ID"]] = None if value is None else int(value) / 1000
            elif element == "TIER":
                self.tiers.append(_Annotations(whole(has["TIER_ID"])))
            elif element in (_ALIGNED, _REFERRING):
                aligned = element == _ALIGNED
                slots = (has["TIME_SLOT_REF1"], has["TIME_SLOT_REF2"]) if aligned else None
                self._open = _Annotation(line, slots, None if aligned else has["ANNOTATION_REF"])
                self._annotations[has["ANNOTATION_ID"]] = self._open
                self.tiers[-1].ids.append(has["ANNOTATION_ID"])
            elif element == "ANNOTATION_VALUE":
                self._in_value = True
        except KeyError as error:
            self._broken(line, f"{element} lacks its {error.args[0]}")
        except UnreadableResponse:
            raise
        except ValueError:
            self._broken(line, f"{element} has a time that is no whole number of milliseconds")
        except IndexError:
            self._broken(line, f"{element} stands outside of any tier")

    def _end(self, element: str) -> None:
        if element == "ANNOTATION_VALUE":
            self._in_value = False

    def _characters(self, text: str) -> None:
        if self._in_value and self._open is not None:
            self._open.text.append(text)

    # --------------------------------------------------------------------------------------------------------------- times
    def intervals(self, tier: _Annotations) -> list[tuple[float, float, str, int]]:
        """Return begin, end, text and line of each annotation of a tier that is not empty."""
        found = []
        for annotation_id in tier.ids:
            annotation = self._annotations[annotation_id]
            if text := whole("".join(annotation.text)).strip():
                begin_s, end_s = self._times(annotation)
                found.append((begin_s, end_s, text, annotation.line))
        return found

    def _times(self, annotation: _Annotation) -> tuple[float, float]:
        line, passed = annotation.line, set[str]()
        while annotation.slots is None:
            parent = annotation.parent or ""
            if parent in passed or parent not in self._annotations:
                reason = "refers to itself" if parent in passed else f"refers to {parent!r}, which is not there"
                self._broken(line, f"the annotation {reason}, so it has no time")
            passed.add(parent)
            annotation = self._annotations[parent]
        begin, end = annotation.slots
        return self._time(begin, line), self._time(end, line)

    def _time(self, slot: str, line: int) -> float:
        if slot not in self._slots:
            self._broken(line, f"the time slot {slot!r} is not there")
        if (value := self._slots[slot]) is not None:
            return value
        before, after = self._chain(slot, 0), self._chain(slot, 1)
        if before is None or after is None:
            self._broken(line, f"the time slot {slot!r} has no time, and none follows from its neighbours. Align it in ELAN")
        (first, steps_before), (last, steps_after) = before, after
        return first + (last - first) * steps_before / (steps_before + steps_after)

    def _chain(self, slot: str, forward: int) -> tuple[float, int] | None:
        """Return the next time along annotations that share a slot each, and how many steps away it is."""
        links, steps, passed = self._links[forward], 0, {slot}
        while (slot := links.get(slot, "")) and slot not in passed:
            passed.add(slot)
            steps += 1
            if (value := self._slots.get(slot)) is not None:
                return value, steps
        return None

    @cached_property
    def _links(self) -> tuple[dict[str, str], dict[str, str]]:
        """The slot before, and the slot after, each that has no time: those of the annotations that end and begin there."""
        pairs = [each.slots for each in self._annotations.values() if each.slots is not None]
        before = {end: begin for begin, end in pairs if self._slots.get(end) is None}
        return before, {begin: end for begin, end in pairs if self._slots.get(begin) is None}
