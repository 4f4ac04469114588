"""Adam: a step in the direction of the first moment, divided by the root of the second."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.optim.adam import adam

from gan_experiments.training.optimizers.optimizer import Optimizer, Rates

log = logging.getLogger(__name__)

EPS = 1e-8


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015), as ``torch.optim.Adam``.

    With g the gradient, ``m <- b1 m + (1 - b1) g``, ``v <- b2 v + (1 - b2) g^2`` and
    ``w <- w - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)``. Weight decay is added to g.
    """

    uses_betas: ClassVar[bool] = True
    decoupled: ClassVar[bool] = False
    """True if weight decay shrinks the weights themselves, instead of joining the gradient."""

    @staticmethod
    def state_names(rates: Sequence[Rates[float]]) -> tuple[str, ...]:
        """Return the names of both moments."""
        return "exp_avg", "exp_avg_sq"

    def update_members(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        steps: list[Tensor],
        rates: Rates[float],
    ) -> None:
        """Update members by torch's fused kernel, without the bookkeeping of ``torch.optim.Adam``."""
        adam(
            parameters,
            gradients,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            steps,
            fused=True,
            decoupled_weight_decay=self.decoupled,
            amsgrad=False,
            beta1=rates.beta1,
            beta2=rates.beta2,
            lr=rates.lr,
            weight_decay=rates.weight_decay,
            eps=EPS,
            maximize=False,
        )

    def update_all(self, gradient: Tensor, step: Tensor, rates: Rates[Tensor]) -> None:
        """Update all members; each line below is one pass over ``[K, P]``."""
        first, second = self.state["exp_avg"], self.state["exp_avg_sq"]
        # sqrt(v) / root + eps is (sqrt(v) + eps root) / root, and root joins the size of the step: a pass less.
        root = (1 - rates.beta2**step).sqrt()  # [K, 1], as everything that is not a moment, gradient or parameter
        size = rates.lr * root / (1 - rates.beta1**step)
        if self.decays and self.decoupled:
            self.parameters.mul_(self.single(1 - rates.lr * rates.weight_decay))
        elif self.decays:
            gradient = torch.addcmul(gradient, self.parameters, self.single(rates.weight_decay))
        first.lerp_(gradient, self.single(1 - rates.beta1))
        second.lerp_(gradient.square(), self.single(1 - rates.beta2))
        denominator = second.sqrt().add_(self.single(EPS * root))
        self.parameters.addcmul_(first / denominator, self.single(-size))

    def as_one_kernel(self) -> Callable[[Tensor], None] | None:
        """Return the kernel of ``_adam_kernel.py``, on what this optimiser updates, if it can be had here."""
        update = _kernel(self.parameters.device)
        if update is None:
            return None
        first, second = self.state["exp_avg"], self.state["exp_avg_sq"]
        return lambda gradient: update(
            self.parameters,
            gradient.contiguous(),
            first,
            second,
            self.step,
            self.rates,
            eps=EPS,
            decays=self.decays,
            decoupled=self.decoupled,
        )


@cache
def _kernel(device: torch.device) -> Callable[..., None] | None:
    """Return the kernel, compiled for a GPU, or None, with a warning, where that fails.

    Triton comes with torch for CUDA, but not on every system, and compiles with the system's C compiler and Python's
    headers into a folder below the user's home.
    """
    try:
        from gan_experiments.training.optimizers._adam_kernel import update

        parameters, gradients, first, second = torch.zeros(4, 1, 16, device=device)
        step, rates = torch.ones(1, device=device), torch.zeros(1, len(Rates._fields), device=device).double()
        update(parameters, gradients, first, second, step, rates, eps=EPS, decays=False, decoupled=False)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # no Triton, no compiler, no room for its cache, a GPU that it does not know
        reason = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
        log.warning("Adam's updates take many operations instead of one kernel (%s)", reason)
        return None
    return update


OPTIMIZER = Adam
