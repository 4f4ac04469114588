"""One Adam update of all members of a stack, in each of its forms."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch

from gan_experiments.benchmark.floor import ADAM_WORDS
from gan_experiments.benchmark.machine import free_memory, shortage
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.repetition import repeated
from gan_experiments.benchmark.report import Row
from gan_experiments.benchmark.timing import Failures, StepsTaken, alternate, paced, warmed_up
from gan_experiments.errors import UserError
from gan_experiments.training.optimizers.adam import Adam
from gan_experiments.training.optimizers.optimizer import Rates, rates_of

SIZES = (1, 8, 64, 256)
"""Members, up to the plan's."""
_TENSORS = 8
"""Of the parameters' size: themselves, gradients, two moments, and what operations over all have in between."""


def measure(plan: Plan, recipe: Recipe) -> list[Row]:
    """Time updates of as many parameters as the recipe's generator has, for stacks of ``SIZES``.

    Every member has a learning rate of its own, as in a sweep of it, so that nothing is alike by chance.
    """
    generator, _ = recipe.networks(sigmoid=False)
    parameters = sum(p.numel() for p in generator.parameters())
    forms: dict[str, Callable[[Adam, torch.Tensor], Callable[[], object]]] = {
        "torch's fused function, a call a member": _of_each,
        "operations over all members": _of_all,
        "one kernel": _as_one_kernel,
    }
    rows = []
    for members in (size for size in SIZES if size <= plan.members):
        failures, rounds = Failures(), {}
        for name, form in forms.items():
            print(f"warming up: {name}, {members} members", file=sys.stderr, flush=True)
            with failures.caught(name):
                units = _updates(recipe, members, parameters, form)
                rounds[name] = warmed_up(paced(units, recipe.device), plan.seconds)
        spreads = alternate(plan.rounds, rounds, failures)
        for name in forms:
            spread = spreads.get(name)
            notes = [failures.note(name, spread)]
            if spread is not None:
                notes.insert(0, f"{4 * ADAM_WORDS * members * parameters / spread.median / 1e9:.3g} GB/s")
            own = spread and spread.scaled(1e6 / members)
            rows.append(Row("optimizer", name, "us an update", own, members, note="; ".join(filter(None, notes))))
    return rows


def _updates(
    recipe: Recipe, members: int, size: int, form: Callable[[Adam, torch.Tensor], Callable[[], object]]
) -> Iterator[StepsTaken]:
    """Return the endless repetition of a form of the update, on tensors of its own.

    Raises:
        UserError: There is no room for them.
    """
    free = free_memory(recipe.device)
    why = shortage(free, {[*free][-1]: _TENSORS * 4 * members * size})
    if why is not None:
        raise UserError(why)
    parameters = torch.zeros(members, size, device=recipe.device)
    rates = [rates_of(recipe.train, recipe.train.lr * (1 + k / members)) for k in range(members)]
    return repeated(form(Adam(parameters, rates), torch.ones_like(parameters)), recipe.device)


def _of_each(adam: Adam, gradient: torch.Tensor) -> Callable[[], object]:
    of_each = [
        ([parameters], [own], {name: [state[k]] for name, state in adam.state.items()}, [adam.step[k]], Rates(*rates))
        for k, (parameters, own, rates) in enumerate(zip(adam.parameters, gradient, adam.rates.tolist(), strict=True))
    ]

    @torch.no_grad()
    def update() -> None:
        for arguments in of_each:
            adam.update_members(*arguments)

    return update


def _of_all(adam: Adam, gradient: torch.Tensor) -> Callable[[], object]:
    @torch.no_grad()
    def update() -> None:
        adam.step.add_(1)
        adam.update_all(gradient, adam.step[:, None], Rates(*adam.rates.split(1, -1)))

    return update


def _as_one_kernel(adam: Adam, gradient: torch.Tensor) -> Callable[[], object]:
    if adam.kernel is None:
        raise UserError("needs CUDA, and Triton to compile for it")
    return partial(adam.update, gradient)
