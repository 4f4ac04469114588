"""A sweep of K runs: fused, side by side in processes, and one after another."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from gan_experiments.benchmark.floor import StepCount, large_product, streaming
from gan_experiments.benchmark.machine import free_memory, shortage
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.ours import ours
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.report import Row
from gan_experiments.benchmark.side_by_side import ProcessTask, SideBySide
from gan_experiments.benchmark.timing import Failures, Round, alternate, paced, per_unit, warmed_up
from gan_experiments.errors import UserError

FUSED, PROCESSES, IN_TURN = "fused", "processes", "one after another"
WAYS = (FUSED, PROCESSES, IN_TURN)
_ALONE, _PRODUCT, _MEMORY = "one run", "product", "memory"
_MEASURED_IN_TURN = 4
"""Largest sweep whose runs are really trained one after another; beyond it, one run's time is multiplied."""
_REPLICAS = 7
"""Copies of a member's float32 parameters at the worst moment: weights, gradients, two moments, its own network, and
two while stacks are made."""


class SweepBenchmark:
    """Measures every size in all three ways, next to one run and the machine's own rates.

    A way is given up at the size at which it would not fit into memory, or would take longer than the plan allows.

    Args:
        plan: The options of the command.
        recipe: Data and networks.
    """

    def __init__(self, plan: Plan, recipe: Recipe) -> None:
        self._plan, self._recipe = plan, recipe
        self._count = StepCount.of_recipe(recipe)
        self._spent: dict[str, tuple[int, float]] = {}  # members and seconds, at the size before
        self._needed: dict[str, int] = {}  # bytes of a process, at the size before
        self._failed: dict[str, int] = {}  # members with which a way was given up
        self._out = Failures()  # of what stands beside every size

    def measure(self) -> list[Row]:
        """Measure every size; return its rows."""
        device, precision, seconds = self._recipe.device, self._plan.precision, self._plan.seconds
        beside: dict[str, Round] = {}
        with self._out.caught(_ALONE):
            beside[_ALONE] = warmed_up(paced(ours(self._recipe, range(1), "auto", precision), device), seconds)
        with self._out.caught(_PRODUCT):
            units, flops = large_product(device, precision)
            beside[_PRODUCT] = per_unit(warmed_up(paced(units, device), seconds), flops)
        rows = []
        for members in self._plan.sweep_sizes:
            print(f"measuring: a sweep of {members}", file=sys.stderr, flush=True)
            rows += self._measure_size(members, beside)
            gc.collect()
        return rows

    def _measure_size(self, members: int, beside: dict[str, Round]) -> list[Row]:
        contenders, refused, spent = dict(beside), set[str](), dict[str, float]()
        failures = Failures(self._out)
        with failures.caught(_MEMORY):
            units, size = streaming(self._recipe.device, members * self._count.state_bytes)
            contenders[_MEMORY] = per_unit(warmed_up(paced(units, self._recipe.device), self._plan.seconds), size)
        with ExitStack() as stack:
            for way in WAYS:
                if way == IN_TURN and members > _MEASURED_IN_TURN:
                    continue
                started = time.perf_counter()
                with failures.caught(way):
                    why = self._refusal(way, members)
                    if why is not None:
                        refused.add(way)
                        raise UserError(why)
                    contender = self._set_up(way, members, stack)
                    spent[way] = time.perf_counter() - started
                    contenders[way] = _clocked(contender, spent, way)
            spreads = alternate(self._plan.rounds, contenders, failures)
        self._failed |= {way: members for way in WAYS if way in failures and way not in refused}
        for way, seconds in spent.items():
            self._spent[way] = (members, seconds)
        floor = None
        if _PRODUCT in spreads and _MEMORY in spreads:
            element_bytes = 2 if self._plan.precision == "bf16" else 4
            floor = self._count.seconds(spreads[_PRODUCT].median, spreads[_MEMORY].median, element_bytes)
        rows = []
        for way in WAYS:
            measured = way if way in contenders or way in failures else _ALONE
            spread, against = spreads.get(measured), dict[str, float]()
            note = failures.note(measured, spread)
            if measured == _ALONE and not note:
                note = f"computed: {members} times one run's time"
            if spread is not None and _ALONE in spreads:
                against["one run"] = spreads[_ALONE].median / spread.median
            if spread is not None and floor is not None:
                against["floor"] = spread.median / floor
            rows.append(Row("sweep", way, "us", spread and spread.scaled(1e6), members, against, note))
        return rows

    def _set_up(self, way: str, members: int, stack: ExitStack) -> Round:
        recipe, plan, device = self._recipe, self._plan, self._recipe.device
        if way == FUSED:
            fused = warmed_up(paced(ours(recipe, range(members), "auto", plan.precision), device), plan.seconds)
            return lambda: fused() / members
        if way == IN_TURN:
            runs = [ours(recipe, range(seed, seed + 1), "auto", plan.precision) for seed in range(members)]
            rounds = [warmed_up(paced(run, device), plan.seconds) for run in runs]
            return lambda: sum(one() for one in rounds) / members
        before = free_memory(device)
        task = ProcessTask(recipe, max(1, plan.threads // members), plan.precision)
        processes = stack.enter_context(SideBySide(task, members))
        after = free_memory(device)
        self._needed = {where: max(0, before[where] - after[where]) // members for where in before}
        return lambda: processes.measure(plan.seconds)

    def _refusal(self, way: str, members: int) -> str | None:
        """Return why a way is not tried at a size, or None."""
        if way in self._failed:
            return f"it failed with {self._failed[way]}"
        if way in self._spent:
            fewer, seconds = self._spent[way]
            expected = seconds * members / fewer
            if expected > self._plan.max_seconds:
                return f"would take about {expected:.0f} s; --max-seconds is {self._plan.max_seconds:.0f}"
        free = free_memory(self._recipe.device)
        if way == FUSED:
            needed = {list(free)[-1]: _REPLICAS * 4 * self._count.parameters * members}
        else:
            needed = {where: size * members for where, size in self._needed.items()} if way == PROCESSES else {}
        return shortage(free, needed)


def _clocked(measure: Round, spent: dict[str, float], way: str) -> Callable[[], float]:
    def clocked() -> float:
        started = time.perf_counter()
        value = measure()
        spent[way] += time.perf_counter() - started
        return value

    return clocked
