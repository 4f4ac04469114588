"""One run: all contenders, and the floor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch

from gan_experiments.benchmark import rivals
from gan_experiments.benchmark.floor import StepCount, bare_step, large_product, streaming
from gan_experiments.benchmark.lightning_rival import lightning
from gan_experiments.benchmark.machine import lacks
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.ours import ours
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.report import Row
from gan_experiments.benchmark.timing import (
    Contender,
    Failures,
    Round,
    Spread,
    StepsTaken,
    alternate,
    paced,
    per_unit,
    warmed_up,
)
from gan_experiments.errors import UserError

_ARTICLE, _BARE, _MEMORY = "the article's loop", "products and Adam alone", "memory"
_ENGINES = ("eager", "graph", "compile")
_PRECISIONS = ("tf32", "bf16")


def measure(plan: Plan, recipe: Recipe) -> list[Row]:
    """Measure the requested parts of ``STEP_PARTS``; one that cannot run here becomes a row that says why."""
    count, failures = StepCount.of_recipe(recipe), Failures()
    rounds: dict[str, Round] = {}
    parts: dict[str, str] = {}
    for part, name, build in _contenders(recipe, count):
        if part not in plan.parts:
            continue
        print(f"warming up: {name}", file=sys.stderr, flush=True)
        parts[name] = part
        with failures.caught(name):
            rounds[name] = warmed_up(build(), plan.seconds)
    floors = []
    if "floor" in plan.parts:
        floors = ["fp32", *(p for p in _PRECISIONS if any(_of_precision(name, p) for name in rounds))]
    for name, build in _rates(recipe.device, floors, count).items():
        with failures.caught(name):
            units, work = build()
            rounds[name] = per_unit(warmed_up(paced(units, recipe.device), plan.seconds), work)
    spreads = alternate(plan.rounds, rounds, failures)
    floor_rows = {p: _floor_row(count, p, spreads, failures) for p in floors}
    rows = []
    for name, part in parts.items():
        spread, against = spreads.get(name), dict[str, float]()
        if spread is not None and part != "smaller":  # neither the article's loop nor its floor is theirs
            own = floor_rows.get(next((p for p in floors if _of_precision(name, p)), "fp32"))
            if _ARTICLE in spreads:
                against["article"] = spreads[_ARTICLE].median / spread.median
            if own is not None and own.spread is not None:
                against["floor"] = spread.median * 1e6 / own.spread.median
        rows.append(_row(name, spread, failures.note(name, spread), against))
    return [*rows, *floor_rows.values()]


def _contenders(recipe: Recipe, count: StepCount) -> Iterator[tuple[str, str, Callable[[], Contender]]]:
    """Yield part, name and set-up function of each contender."""

    def pace(units: Callable[[], Iterator[StepsTaken]]) -> Contender:
        return paced(units(), recipe.device)

    def single(engine: str, precision: str) -> Iterator[StepsTaken]:
        why = lacks(recipe.device, precision)
        if why is not None:
            raise UserError(why)
        return ours(recipe, range(1), engine, precision)

    def by_hand(passes: int) -> Iterator[StepsTaken]:
        return rivals.by_hand(recipe, *recipe.networks(sigmoid=False), passes)

    yield "article", _ARTICLE, lambda: pace(lambda: rivals.article(recipe, *recipe.networks(sigmoid=True)))
    yield "lightning", "Lightning, manual optimisation", lambda: lightning(recipe, *recipe.networks(sigmoid=True))
    yield "hand", "by hand, two passes of D", lambda: pace(lambda: by_hand(2))
    yield "hand", "by hand, one pass of D", lambda: pace(lambda: by_hand(1))
    for engine in _ENGINES:
        yield engine, f"this project, {engine}", partial(pace, partial(single, engine, "fp32"))
    for precision in _PRECISIONS:
        yield precision, f"this project, {precision}", partial(pace, partial(single, "auto", precision))
    for name, smaller in recipe.smaller().items():
        yield "smaller", f"this project, {name}", partial(pace, partial(ours, smaller, range(1), "auto", "fp32"))
    yield "floor", _BARE, lambda: pace(lambda: bare_step(count, recipe.device, "fp32"))


def _of_precision(name: str, precision: str) -> bool:
    return name.endswith(f", {precision}")


def _rates(
    device: torch.device, precisions: Sequence[str], count: StepCount
) -> dict[str, Callable[[], tuple[Iterator[StepsTaken], int]]]:
    """Return what shows the machine's rates: a product in each precision, and memory, if there is any."""
    if not precisions:
        return {}
    products = {_product(precision): partial(large_product, device, precision) for precision in precisions}
    return {**products, _MEMORY: partial(streaming, device, count.state_bytes)}


def _product(precision: str) -> str:
    return f"large product, {precision}"


def _floor_row(count: StepCount, precision: str, spreads: Mapping[str, Spread], failures: Failures) -> Row:
    product, memory = spreads.get(_product(precision)), spreads.get(_MEMORY)
    why = [f"{name}: {failures[name]}" for name in (_product(precision), _MEMORY) if name in failures]
    name = f"counted floor, {precision}"
    if product is None or memory is None:
        return _row(name, None, f"not measured: {'; '.join(why)}")
    size = 2 if precision == "bf16" else 4
    pairs = ((product.median, memory.median), (product.low, memory.low), (product.high, memory.high))
    floor = Spread(*(count.seconds(per_flop, per_byte, size) for per_flop, per_byte in pairs))
    work = f"{count.flops / 1e9:.3g} GFLOP, Adam {count.adam_bytes / 1e6:.3g} MB"
    rates = f"{1 / product.median / 1e12:.3g} TFLOP/s (large product), {1 / memory.median / 1e9:.3g} GB/s (in place)"
    return _row(name, floor, "; ".join([work, f"here {rates}", *why]))


def _row(name: str, spread: Spread | None, note: str, against: dict[str, float] | None = None) -> Row:
    return Row("step", name, "us", None if spread is None else spread.scaled(1e6), against=against or {}, note=note)
