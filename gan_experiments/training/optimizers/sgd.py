"""Gradient descent on batches, with momentum if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from gan_experiments.training.optimizers.optimizer import Optimizer, Rates


class SGD(Optimizer):
    """Stochastic gradient descent (Robbins and Monro, 1951), as ``torch.optim.SGD``.

    With g the gradient, ``b <- momentum b + g`` and ``w <- w - lr b``. Weight decay is added to g.
    """

    uses_momentum: ClassVar[bool] = True

    @staticmethod
    def state_names(rates: Sequence[Rates[float]]) -> tuple[str, ...]:
        """Return the name of the last update, where a member has momentum."""
        return ("momentum_buffer",) if any(member.momentum for member in rates) else ()

    def update_members(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        steps: list[Tensor],
        rates: Rates[float],
    ) -> None:
        """Update members by torch's fused kernel."""
        for step in steps:
            step.add_(1)
        sgd(
            parameters,
            gradients,
            [*state.get("momentum_buffer", [None] * len(parameters))],
            fused=True,
            weight_decay=rates.weight_decay,
            momentum=rates.momentum,
            lr=rates.lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def update_all(self, gradient: Tensor, step: Tensor, rates: Rates[Tensor]) -> None:
        """Update all members; each line below is one pass over ``[K, P]`` or two."""
        update = gradient
        if self.decays:
            update = torch.addcmul(update, self.parameters, self.single(rates.weight_decay))
        if "momentum_buffer" in self.state:
            update = self.state["momentum_buffer"].mul_(self.single(rates.momentum)).add_(update)
        self.parameters.addcmul_(update, self.single(-rates.lr))


OPTIMIZER = SGD
