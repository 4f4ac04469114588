"""What differs among runs: factors, the settings that they make, and the seeds that repeat each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_experiments.reports.record import Record
from gan_experiments.tracking.naming import is_silent, plain, shortest

SEED = "seed"


@dataclass(frozen=True)
class Factor:
    """A parameter that differs among runs, and those that always change with it.

    Attributes:
        key: The dotted key.
        label: The key's name, as short as it can be.
        companions: Keys whose values change exactly where this one's do, or follow from it; a model's name and its
            widths, say.
        levels: Its values, in order.
    """

    key: str
    label: str
    companions: tuple[str, ...]
    levels: tuple[str, ...]

    @property
    def numbers(self) -> list[float] | None:
        """The levels as numbers, where all are."""
        try:
            return [float(level) for level in self.levels]
        except ValueError:
            return None


@dataclass
class Setting:
    """Runs that differ in nothing but their seeds.

    Attributes:
        values: The value of each factor, by key.
        label: What sets it apart, in one line.
        runs: All of its runs, whatever became of them.
    """

    values: dict[str, str]
    label: str
    runs: list[Record]


def find_factors(records: Sequence[Record], asked: Sequence[str] = ()) -> list[Factor]:
    """What differs among runs, seeds aside; runs that never came to a configuration have no say.

    Args:
        records: The runs.
        asked: Keys and groups that somebody varied, which come first and in this order.

    Keys that change together count once, under the first of them that is a name (``model.name`` before
    ``model.generator_widths``): what can't be told apart is one factor, and so is a group's option with those of its
    keys that follow from it (``objective.clip``, which one of the objectives has). But what somebody varied by itself
    is one by itself: all numbers that a search draws change in every run.
    """

    def place(keys: Sequence[str]) -> int:
        return next(
            (i for i, one in enumerate(asked) if any(f"{key}.".startswith(f"{one}.") for key in keys)), len(asked)
        )

    known = [record.params for record in records if record.params]
    keys = [key for key in dict.fromkeys(key for params in known for key in params) if key != SEED]
    columns: dict[tuple[int, ...], dict[int, list[str]]] = {}
    for key in keys:
        if is_silent(key) or key.endswith("._target_"):
            continue
        values = [params.get(key, "") for params in known]
        if len(set(values)) > 1:
            names = [params.get(f"{key.partition('.')[0]}.name", "") for params in known]
            follows = len(set(zip(names, values, strict=True))) == len(set(names))
            pattern = _pattern(names if follows else values)
            columns.setdefault(pattern, {}).setdefault(place([key]), []).append(key)
    for alike in columns.values():
        if len(alike) > 1:  # what nobody asked for goes with what somebody did
            alike[min(alike)] += alike.pop(len(asked), [])
    together = sorted((keys for alike in columns.values() for keys in alike.values()), key=place)
    chosen = [sorted(keys, key=lambda key: not key.endswith(".name")) for keys in together]
    labels = shortest([key for key, *_ in chosen])
    factors = []
    for (key, *companions), label in zip(chosen, labels, strict=True):
        levels = tuple(sorted({params.get(key, "") for params in known}, key=_order))
        short = label if not key.endswith(".name") else key.removesuffix(".name")
        factors.append(Factor(key, short, tuple(companions), levels))
    return factors


def _pattern(values: Sequence[str]) -> tuple[int, ...]:
    """The same for columns that change at the same places."""
    order = list(dict.fromkeys(values))
    return tuple(map(order.index, values))


def _order(level: str) -> tuple[bool, float, str]:
    try:
        return False, float(level), level
    except ValueError:
        return True, 0.0, level


def find_settings(records: Sequence[Record], factors: Sequence[Factor]) -> list[Setting]:
    """Runs grouped over their seeds, in the order of their numbers."""
    settings: dict[tuple[str, ...], Setting] = {}
    for record in records:
        if record.params:
            values = {factor.key: record.params.get(factor.key, "") for factor in factors}
            parts = [f"{factor.label}={plain(values[factor.key]) or '–'}" for factor in factors]
            setting = Setting(values, " ".join(parts) or "the one setting", [])
            settings.setdefault(tuple(values.values()), setting).runs.append(record)
    return list(settings.values())
