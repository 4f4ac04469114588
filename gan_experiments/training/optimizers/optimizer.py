"""The contract of an optimiser: it updates all members at once, with settings that the device reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.errors import UserError
from gan_experiments.models.stacking import UnstackableError

T = TypeVar("T", float, Tensor)


class Rates(NamedTuple, Generic[T]):
    """An optimiser's settings: numbers of one member, or tensors ``[K, 1]`` of all.

    Attributes:
        lr: Learning rate.
        beta1: Decay rate of the first moment.
        beta2: Decay rate of the second moment.
        weight_decay: Factor of the weights in their own decrease.
        momentum: Factor of the last update in the next one.
    """

    lr: T
    beta1: T
    beta2: T
    weight_decay: T
    momentum: T


def rates_of(train: TrainConfig, lr: float | None = None) -> Rates[float]:
    """Return the settings of ``train``, with a player's own learning rate where it has one."""
    beta1, beta2 = train.betas
    return Rates(train.lr if lr is None else lr, beta1, beta2, train.weight_decay, train.momentum)


_Alike = tuple[list[Tensor], list[Tensor], dict[str, list[Tensor]], list[Tensor], Rates[float]]
"""What ``Optimizer.update_members`` takes."""


class Optimizer(ABC):
    """Updates the parameters of all members in place.

    An optimiser is a file of this folder that ends with ``OPTIMIZER = ItsClass``.

    The settings are tensors on the device that every update reads: members may differ in them, they may change
    between updates, and a captured CUDA graph sees the change. They are float64, so that values and bias
    corrections are as exact as torch's own (float32 where a device has no float64).

    The arithmetic has two forms. Torch's fused functions take Python numbers (at most the learning rate may be a
    tensor, one a call), which a CUDA graph would freeze. So ``update_all`` updates ``[K, P]`` by ordinary
    operations over all members, with settings ``[K, 1]`` broadcast. On a CPU nothing is captured, a number is read
    at no cost, and a pass over a member's tensors in one kernel is what counts: there ``update_members``
    hands members of equal settings to torch's own function, fused where torch has that. On CUDA an optimiser may have
    a third one: ``as_one_kernel``, which reads and writes everything once.

    Args:
        parameters: What is updated, float32 ``[K, P]``.
        rates: Each member's settings.
        later: Settings of members that may take another's place.

    Attributes:
        state: Tensors ``[K, P]`` that updates keep, by torch's names for them.
        step: Number of updates of each member, float32 ``[K]``.
        rates: The settings, ``[K, S]`` with a column for each field of ``Rates``; write to it to change them.
        kernel: What ``as_one_kernel`` returned on CUDA, else None.
    """

    uses_momentum: ClassVar[bool] = False
    """True if ``train.momentum`` applies."""
    uses_betas: ClassVar[bool] = False
    """True if ``train.betas`` apply."""

    def __init__(self, parameters: Tensor, rates: Sequence[Rates[float]], later: Sequence[Rates[float]] = ()) -> None:
        device = parameters.device
        self.parameters = parameters
        self.state = {name: torch.zeros_like(parameters) for name in self.state_names([*rates, *later])}
        # Torch's fused functions want float32 counters on the parameters' device.
        self.step = torch.zeros(len(rates), dtype=torch.float32, device=device)
        exact = torch.float32 if device.type == "mps" else torch.float64
        self.rates = torch.tensor(rates, dtype=exact, device=device)
        # A stack in which no member has weight decay does not compute it.
        self.decays = any(member.weight_decay for member in (*rates, *later))
        self._on_cpu = device.type == "cpu"
        self._parameters, self._steps = [*parameters], [*self.step]
        self._state = {name: [*tensor] for name, tensor in self.state.items()}
        self.kernel = self.as_one_kernel() if device.type == "cuda" else None
        self._alike: list[_Alike] = []
        self._alike_by: tuple[list[list[float]], Tensor] | None = None

    @staticmethod
    @abstractmethod
    def state_names(rates: Sequence[Rates[float]]) -> tuple[str, ...]:
        """Return torch's names of the tensors that updates with these settings keep."""

    @abstractmethod
    def update_members(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        state: dict[str, list[Tensor]],
        steps: list[Tensor],
        rates: Rates[float],
    ) -> None:
        """Update members that have the same settings in place, their counters included.

        Args:
            parameters: Of each, float32 ``[P]``.
            gradients: Of each, float32 ``[P]``.
            state: By name, of each float32 ``[P]``.
            steps: Of each the number of updates before this one, float32, a scalar.
            rates: Their settings.
        """

    @abstractmethod
    def update_all(self, gradient: Tensor, step: Tensor, rates: Rates[Tensor]) -> None:
        """Update ``parameters`` and ``state`` of all members in place.

        Args:
            gradient: float32 ``[K, P]``.
            step: Number of updates with this one, ``[K, 1]``.
            rates: The settings, ``[K, 1]`` each.
        """

    def as_one_kernel(self) -> Callable[[Tensor], None] | None:
        """Return an update of all members by one kernel of a GPU, or None if there is none.

        Like ``update_all``, it takes the gradient, reads ``step`` (with this update) and ``rates``, and updates
        ``parameters`` and ``state`` in place.
        """
        return None

    @torch.no_grad()
    def update(self, gradient: Tensor) -> None:
        """Update every member once, by a gradient of the parameters' shape."""
        if self._on_cpu:
            for parameters, gradients, state, steps, rates in self._groups(gradient):
                self.update_members(parameters, gradients, state, steps, rates)
            return
        self.step.add_(1)
        if self.kernel is not None:
            self.kernel(gradient)
        else:
            self.update_all(gradient, self.step[:, None], Rates(*self.rates.split(1, -1)))

    def _groups(self, gradient: Tensor) -> list[_Alike]:
        """Return the members by their settings; the same lists while neither these nor the gradient change place."""
        rates = self.rates.tolist()
        if self._alike_by is not None and self._alike_by[0] == rates and self._alike_by[1] is gradient:
            return self._alike
        alike: dict[tuple[float, ...], list[int]] = {}
        for k, own in enumerate(rates):
            alike.setdefault(tuple(own), []).append(k)
        parts = [*gradient]
        self._alike = []
        for own, members in alike.items():
            state = {name: [of_each[k] for k in members] for name, of_each in self._state.items()}
            parameters, gradients, steps = (
                [of_each[k] for k in members] for of_each in (self._parameters, parts, self._steps)
            )
            self._alike.append((parameters, gradients, state, steps, Rates(*own)))
        self._alike_by = rates, gradient
        return self._alike

    def check(self, rates: Rates[float]) -> None:
        """Make sure that a member with these settings can take another's place.

        Raises:
            UnstackableError: It needs something that no member was known to need.
        """
        if (rates.weight_decay and not self.decays) or not set(self.state_names([rates])) <= self.state.keys():
            raise UnstackableError("no member of this stack has weight decay or momentum")

    def put(self, k: int, rates: Rates[float]) -> None:
        """Begin member ``k`` anew, with settings that passed ``check``."""
        self.step[k] = 0
        for tensor in self.state.values():
            tensor[k].zero_()
        self.rates[k] = torch.tensor(rates, dtype=self.rates.dtype)

    def single(self, tensor: Tensor) -> Tensor:
        """Return a coefficient ``[K, 1]`` in the parameters' type."""
        return tensor.to(self.parameters.dtype)


def optimizer_class(name: str) -> type[Optimizer]:
    """Return the class that ``train.optimizer=name`` means."""
    return import_module(f"{__package__}.{name}").OPTIMIZER


def check_optimizer(train: TrainConfig) -> None:
    """Make sure that no setting is given that the optimiser would ignore.

    Raises:
        UserError: It has no momentum, and one is given.
    """
    name, momentum = train.optimizer, train.momentum
    if momentum and not optimizer_class(name).uses_momentum:
        raise UserError(f"train.momentum={momentum}: must be 0 with train.optimizer={name}, which has no momentum")
