"""Adam with its state in plain tensors, for one run or for a stack of runs that each have rates of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam


@dataclass(frozen=True)
class Rates:
    """One member's settings.

    Attributes:
        lr: Learning rate.
        betas: Decay rates of the two moments.
    """

    lr: float
    betas: tuple[float, float]


class Adam:
    """Adam (Kingma and Ba, 2015) through torch's own fused kernel, without the optimiser's per-step bookkeeping.

    Args:
        parameters: Tensor to update in place, ``[P]``, or ``[K, P]`` for a stack.
        rates: Of each member.

    Attributes:
        first: Running mean of the gradient, of the parameters' shape.
        second: Running mean of its square, likewise.
        updates: Number of updates of each member, float32 ``[K]``.
    """

    def __init__(self, parameters: Tensor, rates: Sequence[Rates]) -> None:
        self._shape = (len(rates), parameters.shape[-1])
        self.first, self.second = torch.zeros_like(parameters), torch.zeros_like(parameters)
        # The fused kernel wants float32 counters on the parameters' device.
        self.updates = torch.zeros(len(rates), dtype=torch.float32, device=parameters.device)
        tensors = (self._by_member(t) for t in (parameters, self.first, self.second))
        self._members = list(zip(rates, *tensors, self.updates, strict=True))

    def _by_member(self, tensor: Tensor) -> tuple[Tensor, ...]:
        return tensor.view(self._shape).unbind()

    @torch.no_grad()
    def update(self, gradient: Tensor) -> None:
        """One update of every member by a gradient of the parameters' shape."""
        for (rates, parameters, first, second, updates), own in zip(
            self._members, self._by_member(gradient), strict=True
        ):
            adam(
                [parameters],
                [own],
                [first],
                [second],
                [],
                [updates],
                fused=True,
                amsgrad=False,
                beta1=rates.betas[0],
                beta2=rates.betas[1],
                lr=rates.lr,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )
