"""Definitions of composites: a name, a version and members that can be read; those that ship, and those of users."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from humeanalytics import vocabulary
from humeanalytics.errors import UsageError


@dataclass(frozen=True)
class Composite:
    """A weighted mean of expressions: what it is called, which version of it, and what it is made of.

    Attributes:
        name: The column it becomes, so lower case letters, digits and ``_``; not that of an expression of Hume's.
        version: Change it whenever weights change: it goes along with every column that is made.
        weights: Expression, by Hume's name or column, -> weight; below 0 where it speaks against. Their size matters only
            beside each other.
        note: What it is meant to say, and where it comes from.

    Raises:
        UsageError: The name cannot be a column or is taken, there is no member, or a weight is no number other than 0.

    Examples:
        >>> Composite("warmth", "1", {"Love": 1, "Joy": 1, "Contempt": -2}, "ours, of 2026")
        Composite warmth, version 1: (1 Love + 1 Joy - 2 Contempt) / 4
        ours, of 2026
    """

    name: str
    version: str
    weights: Mapping[str, float]
    note: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.name or vocabulary.column(self.name) != self.name:
            raise UsageError(
                f"A composite is a column, so its name is made of lower case letters, digits and _, not {self.name!r}."
            )
        if vocabulary.known_column(self.name) is not None or self.name in {name.column for name in vocabulary.names()}:
            raise UsageError(
                f"{self.name!r} is a name of Hume's. Call the composite something else, so that nobody takes it for that."
            )
        try:
            weights = {str(member): float(weight) for member, weight in self.weights.items()}
        except (AttributeError, TypeError, ValueError):
            raise UsageError(
                f"The weights of {self.name!r} are {self.weights!r}; they are numbers by expression: {{'Joy': 1}}."
            ) from None
        if not weights or not all(math.isfinite(weight) and weight != 0 for weight in weights.values()):
            raise UsageError(f"{self.name!r} needs at least one member, and weights other than 0; it has {weights}.")
        columns = [vocabulary.known_column(member) or vocabulary.column(member) for member in weights]
        if len(set(columns)) < len(columns):
            raise UsageError(f"{self.name!r} names an expression twice: {', '.join(weights)}.")
        object.__setattr__(self, "version", str(self.version))
        object.__setattr__(self, "weights", MappingProxyType(weights))

    @property
    def definition(self) -> str:
        """The formula, as a person reads it."""
        terms = [f"{'-' if weight < 0 else '+'} {abs(weight):g} {member}" for member, weight in self.weights.items()]
        return f"({' '.join(terms).removeprefix('+ ')}) / {sum(map(abs, self.weights.values())):g}"

    def __repr__(self) -> str:
        return f"Composite {self.name}, version {self.version}: {self.definition}" + (f"\n{self.note}" if self.note else "")

    def __hash__(self) -> int:
        return hash((self.name, self.version, tuple(sorted(self.weights.items()))))

    @staticmethod
    def from_toml(text: str) -> dict[str, Composite]:
        """Read composites from TOML, one table each: ``version``, a table ``weights``, and ``note`` if there is one.

        Raises:
            UsageError: It is not TOML, or a table is not a composite.

        Examples:
            >>> Composite.from_toml("[warmth]\\nversion = 2\\nweights = { Love = 1, Joy = 0.5 }")
            {'warmth': Composite warmth, version 2: (1 Love + 0.5 Joy) / 1.5}
        """
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"This is not TOML: {error}. A composite is a table: [warmth], version = 1, weights = {{ Joy = 1 }}."
            ) from None
        found = {}
        for name, told in tables.items():
            if not isinstance(told, dict) or not {"version", "weights"} <= set(told) <= {"version", "weights", "note"}:
                raise UsageError(f"{name!r} is no composite: it takes a table with version and weights, and note if you like.")
            found[name] = Composite(name, told["version"], told["weights"], told.get("note", ""))
        return found


_OURS = "A definition of this project's, not a measurement of Hume's: nobody has held it against people who say how they feel."
#: The composites that ship, by name.
SHIPPED: Mapping[str, Composite] = MappingProxyType(
    {
        each.name: each
        for each in (
            Composite("frustration", "1", {"Anger": 1, "Disappointment": 1, "Distress": 1}, _OURS),
            Composite("frustration_in_words", "1", {"Annoyance": 1, "Disapproval": 1, "Anger": 1, "Disappointment": 1}, _OURS),
            Composite(
                "engagement", "1", {"Interest": 1, "Concentration": 1, "Excitement": 1, "Boredom": -1, "Tiredness": -1}, _OURS
            ),
        )
    }
)
