"""The trainable parameters of one network, alone or stacked, and their gradients, each as one tensor."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import prod

import torch
from torch import Tensor, nn

from gan_experiments.models.dense import DenseParameter
from gan_experiments.models.stacking import corner, put


class FlatParameters:
    """Parameters as views of one tensor, and their gradients as views of another.

    The optimiser then reads and writes one stretch of memory in one operation, and gradients that the network can
    write by itself (``DenseParameter``) go to their place in it without a copy.

    Args:
        members: Each member's own network, with float32 parameters.
        network: The network that trains: the only member, or the stack of all.
        low_precision: The type that dense layers compute in, or None for the parameters' own. Their parameters then
            have copies, made once an update instead of at every use, and gradients of that type.

    Attributes:
        flat: All trainable parameters, float32 ``[K, P]`` (K is 1 for a run by itself), each padded to a multiple
            of 16.
        gradient: Their latest gradients, float32 ``[K, P]``.
    """

    def __init__(
        self, members: Sequence[nn.Module], network: nn.Module, low_precision: torch.dtype | None = None
    ) -> None:
        self._members, self._network = list(members), network
        self._lead = 0 if len(members) == 1 else 1
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._names = [name for name, p in members[0].named_parameters() if p.requires_grad]
        # 1. Parameters and gradients become views of one tensor each.
        self.flat, views = flatten(self._parameters, self._lead)
        self.gradient, self._gradients = flatten([torch.zeros_like(p) for p in self._parameters], self._lead)
        for parameter, view in zip(self._parameters, views, strict=True):
            parameter.data = view
        # 2. Dense layers write their gradients themselves.
        targets = self._gradients
        # 3. In low precision they read copies, and write gradients of the copies' type.
        self._low: tuple[Tensor, Tensor] | None = None
        if low_precision is not None and any(isinstance(p, DenseParameter) for p in self._parameters):
            self._low = self.flat.to(low_precision), self.gradient.to(low_precision)
            copies, targets = (unflatten(flat, self._parameters, self._lead) for flat in self._low)
            for parameter, copied in zip(self._parameters, copies, strict=True):
                if isinstance(parameter, DenseParameter):
                    parameter.low_precision = copied
        self._targets = [
            (parameter, target)
            for parameter, target in zip(self._parameters, targets, strict=True)
            if isinstance(parameter, DenseParameter)
        ]

    def differentiate(self, loss: Tensor) -> None:
        """Fill ``gradient`` with the derivative of ``loss``, a scalar."""
        for parameter, target in self._targets:
            parameter.gradient_target = target
        returned = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        if self._low is not None:
            self.gradient.copy_(self._low[1])
        written = {parameter for parameter, _ in self._targets if parameter.take_target() is None}
        for parameter, gradient, further in zip(self._parameters, self._gradients, returned, strict=True):
            if further is not None:
                gradient.add_(further) if parameter in written else gradient.copy_(further)
            elif parameter not in written:
                gradient.zero_()

    def refresh(self) -> None:
        """Bring the copies in low precision up to date; to be called after every change of ``flat``."""
        if self._low is not None:
            self._low[0].copy_(self.flat)

    def require_gradients(self, required: bool) -> None:
        """Set whether derivatives with respect to the parameters are computed from here on."""
        for parameter in self._parameters:
            parameter.requires_grad_(required)

    def member(self, k: int, flat: Tensor | None = None) -> nn.Module:
        """Return member ``k``'s own network with its present parameters (or those in ``flat``) and buffers.

        For a run by itself this is the network that trains, or a copy where ``flat`` is given. For a member of a
        stack it is one and the same module, filled anew at every call.
        """
        network = self._members[k]
        if self._lead == 0 and flat is None:
            return network
        network = copy.deepcopy(network) if self._lead == 0 else network
        named = self.named(k, self.flat if flat is None else flat)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in named:
                    parameter.copy_(named[name])
            stacked = dict(self._network.named_buffers())
            for name, buffer in network.named_buffers():
                buffer.copy_(corner(stacked[self._inner(name)][k], buffer) if self._lead else stacked[name])
        return network

    def load_member(self, k: int, state: Mapping[str, Tensor]) -> None:
        """Take over the state dictionary of member ``k``'s own network."""
        self._members[k].load_state_dict(state)
        if self._lead:
            self.assign(k, self.flat, state)
            stacked = dict(self._network.named_buffers())
            for name, buffer in self._members[k].named_buffers():
                corner(stacked[self._inner(name)][k], buffer).copy_(buffer)
        self.refresh()

    @torch.no_grad()
    def put(self, k: int, network: nn.Module) -> None:
        """Let a network take the place of member ``k`` of a stack, whose tensors keep their places in memory."""
        put(self._network, k, network)
        self._members[k] = network
        self.flat[k].zero_()
        self.gradient[k].zero_()
        self.assign(k, self.flat, dict(network.named_parameters()))
        self.refresh()

    def named(self, k: int, flat: Tensor) -> dict[str, Tensor]:
        """Return views of member ``k``'s part of a tensor laid out as ``flat``, by name, in the member's shapes."""
        shapes = dict(self._members[k].named_parameters())
        parts = unflatten(flat, self._parameters, self._lead)
        return {
            name: corner(part[k] if self._lead else part, shapes[name])
            for name, part in zip(self._names, parts, strict=True)
        }

    @torch.no_grad()
    def assign(self, k: int, flat: Tensor, values: Mapping[str, Tensor]) -> None:
        """Write ``values``, as ``named`` returns them, into member ``k``'s part of ``flat``."""
        for name, part in self.named(k, flat).items():
            part.copy_(values[name])

    def _inner(self, name: str) -> str:
        """Return a buffer's name in the stack, which may wrap the module."""
        return name if name in dict(self._network.named_buffers()) else f"module.{name}"


def flatten(tensors: Sequence[Tensor], lead: int) -> tuple[Tensor, list[Tensor]]:
    """Return one tensor ``[K, P]`` that holds all of them, each starting at a multiple of 64 bytes, and its views.

    Args:
        tensors: ``[K, ...]`` where ``lead`` is 1; ``[...]``, for K = 1, where it is 0.
        lead: Number of dimensions of the members.
    """
    total = sum(_padded(t, lead) for t in tensors)
    flat = tensors[0].new_zeros(tensors[0].shape[0] if lead else 1, total, requires_grad=False)
    views = unflatten(flat, tensors, lead)
    for view, tensor in zip(views, tensors, strict=True):
        view.copy_(tensor.detach())
    return flat, views


def unflatten(flat: Tensor, like: Sequence[Tensor], lead: int) -> list[Tensor]:
    """Return views into ``flat`` in the shapes of ``like``, as ``flatten`` lays them out."""
    starts = accumulate((_padded(t, lead) for t in like), initial=0)
    return [flat[:, a : a + prod(t.shape[lead:])].view(t.shape) for a, t in zip(starts, like, strict=False)]


def _padded(tensor: Tensor, lead: int) -> int:
    return -(-prod(tensor.shape[lead:]) // 16) * 16
