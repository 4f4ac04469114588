"""One run: all contenders, and the floor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch._dynamo.exc import TorchDynamoException

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
    Round,
    Spread,
    StepsTaken,
    alternate,
    paced,
    per_unit,
    warmed_up,
)
from gan_experiments.errors import UserError

_ARTICLE, _BARE = "the article's loop", "products and Adam alone"
_ENGINES = ("eager", "graph", "compile")
_PRECISIONS = ("tf32", "bf16")


def measure(plan: Plan, recipe: Recipe) -> list[Row]:
    """Measure the requested parts of ``STEP_PARTS``; one that cannot run here becomes a row that says why."""
    count = StepCount.of_recipe(recipe)
    rounds: dict[str, Round] = {}
    missing: dict[str, str] = {}
    names: dict[str, str] = {}
    for part, name, build in _contenders(recipe, count):
        if part not in plan.parts:
            continue
        print(f"warming up: {name}", file=sys.stderr, flush=True)
        names[name] = part
        try:
            rounds[name] = warmed_up(build(), plan.seconds)
        except (UserError, TorchDynamoException, torch.OutOfMemoryError) as error:
            missing[name] = str(error).strip().splitlines()[0]
    precisions = ["fp32", *(p for p in _PRECISIONS if any(_of_precision(name, p) for name in rounds))]
    with_floor = "floor" in plan.parts
    if with_floor:
        rounds |= _rates(recipe.device, precisions, count, plan.seconds)
    spreads = alternate(plan.rounds, rounds)
    rows = []
    floors = {p: _floor(count, p, spreads) for p in precisions} if with_floor else {}
    for name, part in names.items():
        spread = spreads.get(name)
        if part == "smaller":  # neither the article's loop nor its floor is theirs
            rows.append(_row(name, spread, None, None, missing.get(name, "")))
            continue
        own = next((p for p in precisions if _of_precision(name, p)), "fp32")
        rows.append(_row(name, spread, spreads.get(_ARTICLE), floors.get(own), missing.get(name, "")))
    for precision, floor in floors.items():
        rows.append(_row(f"counted floor, {precision}", floor, None, None, _basis(count, precision, spreads)))
    return rows


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


def _rates(device: torch.device, precisions: list[str], count: StepCount, seconds: float) -> dict[str, Round]:
    """Return measurements of seconds an operation in each precision, and of seconds a byte."""
    rounds: dict[str, Round] = {}
    for name, (units, work) in {
        **{precision: large_product(device, precision) for precision in precisions},
        "memory": streaming(device, count.state_bytes),
    }.items():
        rounds[name] = per_unit(warmed_up(paced(units, device), seconds), work)
    return rounds


def _floor(count: StepCount, precision: str, spreads: dict[str, Spread]) -> Spread:
    product, memory = spreads[precision], spreads["memory"]
    size = 2 if precision == "bf16" else 4
    pairs = ((product.median, memory.median), (product.low, memory.low), (product.high, memory.high))
    return Spread(*(count.seconds(per_flop, per_byte, size) for per_flop, per_byte in pairs))


def _basis(count: StepCount, precision: str, spreads: dict[str, Spread]) -> str:
    rate, bandwidth = 1 / spreads[precision].median, 1 / spreads["memory"].median
    work = f"{count.flops / 1e9:.3g} GFLOP, Adam {count.adam_bytes / 1e6:.3g} MB"
    return f"{work}; here {rate / 1e12:.3g} TFLOP/s (large product), {bandwidth / 1e9:.3g} GB/s (in place)"


def _row(name: str, spread: Spread | None, article: Spread | None, floor: Spread | None, note: str) -> Row:
    against: dict[str, float] = {}
    if spread is None:
        return Row("step", name, "us", None, note=f"not measured: {note}")
    if article is not None:
        against["article"] = article.median / spread.median
    if floor is not None:
        against["floor"] = spread.median / floor.median
    return Row("step", name, "us", spread.scaled(1e6), against=against, note=note)
