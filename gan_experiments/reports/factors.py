"""The factors in which runs differ, the settings that they make up, and the seeds that repeat each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_experiments.reports.record import RunRecord
from gan_experiments.tracking.naming import is_silent, plain, shortest

SEED = "seed"


@dataclass(frozen=True)
class Factor:
    """A parameter that differs among runs, and those that always change with it.

    Attributes:
        key: The dotted key.
        label: The key's name, as short as possible.
        companions: Keys whose values change exactly where this one's do, or follow from it, such as a model's widths.
        levels: Its values, in order.
    """

    key: str
    label: str
    companions: tuple[str, ...]
    levels: tuple[str, ...]

    @property
    def numbers(self) -> list[float] | None:
        """The levels as numbers, or None if any is none."""
        try:
            return [float(level) for level in self.levels]
        except ValueError:
            return None


@dataclass
class Setting:
    """Runs that differ in nothing but their seeds.

    Attributes:
        values: The value of each factor, by key.
        label: The values in one line.
        runs: All of its runs, however they ended.
    """

    values: dict[str, str]
    label: str
    runs: list[RunRecord]


def find_factors(records: Sequence[RunRecord], asked: Sequence[str] = ()) -> list[Factor]:
    """Find the parameters in which runs differ, apart from seeds; runs without a configuration are ignored.

    Keys that always change together are one factor, named after the first of them that is a name (``model.name``
    before ``model.generator_widths``). So are a group's option and those of its keys that follow from it
    (``objective.clip``, which only one objective has). But keys that the user varied separately stay separate: all
    numbers that a search draws change in every run.

    Args:
        records: The runs.
        asked: Keys and groups that the user varied; they come first, in this order.
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
        if len(alike) > 1:  # keys that the user did not vary join one that the user did
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


def pruned_at(setting: Setting) -> int | None:
    """Return the rung at which a setting was given up, or None: its seeds are judged together."""
    return max((run.pruned for run in setting.runs if run.pruned is not None), default=None)


def _pattern(values: Sequence[str]) -> tuple[int, ...]:
    """Return a pattern that columns share if they change at the same places."""
    first: dict[str, int] = {}
    return tuple(first.setdefault(value, len(first)) for value in values)


def _order(level: str) -> tuple[bool, float, str]:
    try:
        return False, float(level), level
    except ValueError:
        return True, 0.0, level


def find_settings(records: Sequence[RunRecord], factors: Sequence[Factor]) -> list[Setting]:
    """Group runs over their seeds, in the order of their numbers."""
    settings: dict[tuple[str, ...], Setting] = {}
    for record in records:
        if record.params:
            values = {factor.key: record.params.get(factor.key, "") for factor in factors}
            parts = [f"{factor.label}={plain(values[factor.key]) or '–'}" for factor in factors]
            setting = Setting(values, " ".join(parts) or "the one setting", [])
            settings.setdefault(tuple(values.values()), setting).runs.append(record)
    return list(settings.values())
