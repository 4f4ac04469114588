"""Adam with its state in plain tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma and Ba, 2015) through torch's own fused kernel, without the optimiser's per-step bookkeeping.

    Args:
        parameters: Tensor to update in place.
        lr: Learning rate.
        betas: Decay rates of the two moments.
        eps: Added to the denominator.
    """

    def __init__(self, parameters: Tensor, lr: float, betas: tuple[float, float], eps: float = 1e-8) -> None:
        self._parameters = parameters
        self._lr, self._betas, self._eps = lr, betas, eps
        self._first, self._second = torch.zeros_like(parameters), torch.zeros_like(parameters)
        # The fused kernel wants a float32 counter on the parameters' device.
        self._updates = torch.zeros((), dtype=torch.float32, device=parameters.device)

    @torch.no_grad()
    def update(self, gradient: Tensor) -> None:
        """One update by a gradient of the parameters' shape."""
        adam(
            [self._parameters],
            [gradient],
            [self._first],
            [self._second],
            [],
            [self._updates],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=self._lr,
            weight_decay=0.0,
            eps=self._eps,
            maximize=False,
        )

    def state(self) -> dict[str, Any]:
        """Both moments and the number of updates."""
        return {"first": self._first, "second": self._second, "updates": self._updates}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` gave."""
        for name, mine in self.state().items():
            mine.copy_(state[name])
