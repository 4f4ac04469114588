"""The space of a search, read from Hydra's syntax for sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Transformer
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gan_experiments.configuration.hydra_internals import to_jobs
from gan_experiments.errors import UserError

_SEED = "seed"
_LOG = "log"
_INSIDE = 0.382
"""The place at which an interval is probed: not a round number, which might happen to be a whole one."""


@dataclass(frozen=True)
class Space:
    """The values a search may choose, and what all of its runs share.

    Attributes:
        distributions: By key, as typed left of "=".
        seeds: The override that tells each repetition of a trial from the others; one empty list without repetitions.
        fixed: The other overrides.
    """

    distributions: dict[str, BaseDistribution]
    seeds: Sequence[list[str]]
    fixed: Sequence[str]

    def jobs(self, params: Mapping[str, Any]) -> list[list[str]]:
        """Return the overrides of each of a trial's runs: one for each seed.

        Args:
            params: The trial's value of each key.
        """
        return [[*self.fixed, *chosen(params), *seed] for seed in self.seeds]

    def probes(self) -> list[list[str]]:
        """Return overrides of runs that show each choice, and the ends of each range, at least once."""
        values = {key: list(_telling(distribution)) for key, distribution in self.distributions.items()}
        first = {key: found[0] for key, found in values.items()}
        others = [first | {key: value} for key, found in values.items() for value in found[1:]]
        return [*self.jobs(first), *(self.jobs(params)[0] for params in others)]


def chosen(params: Mapping[str, Any]) -> list[str]:
    """Return a trial's values as overrides."""
    return [f"{key}={value}" for key, value in params.items()]


def find_space(overrides: Sequence[Override]) -> Space:
    """Return the space that a command line asks for; the last of several overrides of a key counts.

    Raises:
        UserError: Nothing is searched, or something is written in a way that a search cannot take.
    """
    last = {override.get_key_element(): override for override in overrides}
    swept = {key: override for key, override in last.items() if override.is_sweep_override()}
    seeds = _seeds(swept.pop(_SEED)) if _SEED in swept else [[]]
    if not swept:
        raise UserError(
            "hydra/sweeper=optuna: there is nothing to search; say it as train.lr=tag(log,interval(1e-5,1e-3)),"
            " model.latent_dim=range(16,129), model=mlp,mlp_small, or by +sweep=search"
        )
    shared = [override for override in last.values() if not override.is_sweep_override()]
    (fixed,) = to_jobs(shared)
    return Space({key: _distribution(key, override) for key, override in swept.items()}, seeds, fixed)


def _distribution(key: str, override: Override) -> BaseDistribution:
    """Translate a sweep to Optuna.

    Raises:
        UserError: Optuna has no such distribution.
    """
    sweep = override.value()
    tags = getattr(sweep, "tags", set())
    given = f"{key}={override.get_value_string()}"
    if tags - {_LOG}:
        raise UserError(f"{given}: no such tag as {', '.join(sorted(tags - {_LOG}))}; a search knows {_LOG}")
    log = _LOG in tags
    try:
        if isinstance(sweep, IntervalSweep):
            return _interval(sweep, log)
        if isinstance(sweep, RangeSweep):
            return _range(sweep, log)
        if log:
            raise UserError(f"{given}: {_LOG} is for an interval or a range; choices have no order")
        return CategoricalDistribution(cast(Any, list(override.sweep_iterator(_choice))))
    except ValueError as error:  # Optuna says what is wrong with its numbers
        raise UserError(f"{given}: {error}") from error


def _interval(sweep: IntervalSweep, log: bool) -> BaseDistribution:
    assert sweep.start is not None
    assert sweep.end is not None
    if isinstance(sweep.start, int) and isinstance(sweep.end, int):
        return IntDistribution(sweep.start, sweep.end, log=log)
    return FloatDistribution(sweep.start, sweep.end, log=log)


def _range(sweep: RangeSweep, log: bool) -> BaseDistribution:
    values = sweep.range()
    if isinstance(values, range):
        if not values:
            raise ValueError("the range is empty")
        low, high = sorted((values[0], values[-1]))
        return IntDistribution(low, high, log=log, step=abs(values.step))
    if log:
        raise ValueError(f"{_LOG} has no steps; an interval has none either")
    start, step, count = Decimal(str(sweep.start)), Decimal(str(sweep.step)), len(list(values))
    if not count:
        raise ValueError("the range is empty")
    low, high = sorted((float(start), float(start + step * (count - 1))))
    return FloatDistribution(low, high, step=abs(float(step)))


def _choice(value: Any) -> Any:
    """Return a choice as Optuna stores it: a number, or text that can stand right of "="."""
    return value if isinstance(value, bool | int | float) else Transformer.str(value)


def _seeds(override: Override) -> list[list[str]]:
    if not override.is_discrete_sweep():
        raise UserError(
            f"{override.input_line}: seeds repeat every trial and are not searched; list them, as seed=range(3)"
        )
    return [[f"{_SEED}={value}"] for value in dict.fromkeys(override.sweep_string_iterator())]


def _telling(distribution: BaseDistribution) -> Iterator[Any]:
    """Yield values that show whether all of them are valid."""
    if isinstance(distribution, CategoricalDistribution):
        yield from distribution.choices
        return
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    yield distribution.low
    if distribution.single():
        return
    yield distribution.high
    if isinstance(distribution, FloatDistribution):
        yield distribution.low + (distribution.step or _INSIDE * (distribution.high - distribution.low))
