"""RMSprop: the gradient divided by the root of its mean square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim.rmsprop import rmsprop

from gan_experiments.training.optimizers.optimizer import Optimizer, Rates

ALPHA, EPS = 0.99, 1e-8


class RMSprop(Optimizer):
    """RMSprop (Hinton, Srivastava and Swersky, lecture notes, 2012), as ``torch.optim.RMSprop``.

    With g the gradient, ``v <- 0.99 v + 0.01 g^2``, ``b <- momentum b + g / (sqrt(v) + eps)`` and ``w <- w - lr b``.
    Weight decay is added to g.
    """

    uses_momentum: ClassVar[bool] = True

    @staticmethod
    def state_names(rates: Sequence[Rates[float]]) -> tuple[str, ...]:
        """Return the names of the mean square and, where a member has momentum, of the last update."""
        return ("square_avg", "momentum_buffer") if any(member.momentum for member in rates) else ("square_avg",)

    def update_members(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        steps: list[Tensor],
        rates: Rates[float],
    ) -> None:
        """Update members by torch's function; torch has no fused kernel for it."""
        rmsprop(
            parameters,
            gradients,
            state["square_avg"],
            [],
            state["momentum_buffer"] if rates.momentum else [],
            steps,
            foreach=False,
            lr=rates.lr,
            alpha=ALPHA,
            eps=EPS,
            weight_decay=rates.weight_decay,
            momentum=rates.momentum,
            centered=False,
        )

    def update_all(self, gradient: Tensor, step: Tensor, rates: Rates[Tensor]) -> None:
        """Update all members; each line below is one pass over ``[K, P]`` or two."""
        if self.decays:
            gradient = torch.addcmul(gradient, self.parameters, self.single(rates.weight_decay))
        square = self.state["square_avg"].mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
        update = gradient / square.sqrt().add_(EPS)
        if "momentum_buffer" in self.state:
            update = self.state["momentum_buffer"].mul_(self.single(rates.momentum)).add_(update)
        self.parameters.addcmul_(update, self.single(-rates.lr))


OPTIMIZER = RMSprop
