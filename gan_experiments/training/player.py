"""One of the two networks as the training step sees it, alone or stacked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from math import prod

import torch
from torch import Tensor, nn

from gan_experiments.models.dropout import Dropout
from gan_experiments.models.mlp import Discriminator, Generator
from gan_experiments.models.stacking import stack_modules


class Player:
    """A network, its trainable parameters, and the places where it drops units.

    ``nn.Dropout`` modules of a user's own network are replaced by ours, so that their masks come from the step's
    noise; what else a network draws comes from torch's global generator.

    The parameters become views of one tensor, and so do their gradients: the optimiser then reads and writes one
    stretch of memory in one kernel.

    Args:
        networks: The networks of all members, with float32 parameters; one for a run by itself.
        examples: For each, a batch of two inputs.
        low_precision: A type that perceptrons compute in, or None for the parameters' own. They then have copies
            of their parameters, made once an update instead of at every use, and gradients of that type.

    Attributes:
        network: What computes: the one network itself, or the stack of all.
        flat: All trainable parameters, float32 ``[P]`` (``[K, P]`` for a stack), each padded to a multiple of 16.
        gradient: Their latest gradients, likewise.
        mask_shapes: Shape of one sample's multiplier at each dropout site; in a stack, the largest.
        mask_probabilities: The drop probability at each site; in a stack, one a member.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        examples: Sequence[Tensor],
        low_precision: torch.dtype | None = None,
    ) -> None:
        self._members = [adopt_dropout(network) for network in networks]
        shapes = [_probe(network, example) for network, example in zip(networks, examples, strict=True)]
        self.network = self._members[0] if len(networks) == 1 else stack_modules(self._members)
        device = examples[0].device
        self.network.to(device)
        self._compute: Callable[..., Tensor] = self.network
        self._lead = 0 if len(networks) == 1 else 1
        # All sites are probed, because one that drops nothing may stand beside members that drop something.
        sites = [m for m in self.network.modules() if isinstance(m, Dropout)]
        largest = [tuple(map(max, zip(*of_site, strict=True))) for of_site in zip(*shapes, strict=True)]
        active = [(site, shape) for site, shape in zip(sites, largest, strict=True) if site.p > 0]
        self._sites, self.mask_shapes = [site for site, _ in active], [shape for _, shape in active]
        self.mask_probabilities = [site.p_of_members or site.p for site in self._sites]
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self._names = [name for name, p in networks[0].named_parameters() if p.requires_grad]
        self.flat, views = flatten(self._parameters, self._lead)
        self.gradient, self._gradients = flatten([torch.zeros_like(p) for p in self._parameters], self._lead)
        for parameter, view in zip(self._parameters, views, strict=True):
            parameter.data = view
        dense = isinstance(self.network, Generator | Discriminator)
        self._targets = self._gradients if dense else []
        self._low: tuple[Tensor, Tensor] | None = None
        if dense and low_precision is not None:
            self._low = self.flat.to(low_precision), self.gradient.to(low_precision)
            copies, self._targets = (unflatten(flat, self._parameters, self._lead) for flat in self._low)
            for parameter, copy_ in zip(self._parameters, copies, strict=True):
                vars(parameter)["low_precision"] = copy_

    def compile(self) -> None:
        """Have torch compile the network's forward and backward pass."""
        self._compute = torch.compile(self._compute, dynamic=False)

    def __call__(self, x: Tensor, masks: Sequence[Tensor], **options: int) -> Tensor:
        """The network's output for ``x`` with these multipliers ``[B, *shape]`` at its dropout sites."""
        with self._dropping(masks):
            return self._compute(x, **options)

    def input_gradient(self, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """The derivative of each output with respect to its own input, of ``x``'s shape; can be differentiated."""
        x = x.detach().requires_grad_()
        with self._dropping(masks):
            # Never the compiled network, which can be differentiated only once.
            outputs = self.network(x)
        return torch.autograd.grad(outputs.sum(), x, create_graph=True)[0]

    @contextmanager
    def _dropping(self, masks: Sequence[Tensor]) -> Iterator[None]:
        for site, mask in zip(self._sites, masks, strict=True):
            site.mask = mask
        try:
            yield
        finally:
            for site in self._sites:
                site.mask = None

    def differentiate(self, loss: Tensor) -> None:
        """Fill ``gradient`` with the derivative of ``loss``, a scalar."""
        for parameter, target in zip(self._parameters, self._targets, strict=False):
            vars(parameter)["gradient_target"] = target
        found = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        if self._low is not None:
            self.gradient.copy_(self._low[1])
        for parameter, gradient, further in zip(self._parameters, self._gradients, found, strict=True):
            is_there = bool(self._targets) and vars(parameter).pop("gradient_target", None) is None
            if further is not None:
                gradient.add_(further) if is_there else gradient.copy_(further)
            elif not is_there:
                gradient.zero_()

    def refresh(self) -> None:
        """Take notice that ``flat`` has changed."""
        if self._low is not None:
            self._low[0].copy_(self.flat)

    def require_gradients(self, required: bool) -> None:
        """Whether derivatives with respect to the parameters are computed from here on."""
        for parameter in self._parameters:
            parameter.requires_grad_(required)

    def member(self, k: int, flat: Tensor | None = None) -> nn.Module:
        """Member ``k``'s own network with its present parameters (or those in ``flat``) and buffers.

        A run by itself gets the network that trains; a member of a stack gets a copy.
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
            stacked = dict(self.network.named_buffers())
            for name, buffer in network.named_buffers():
                buffer.copy_(_corner(stacked[self._inner(name)][k], buffer) if self._lead else stacked[name])
        return network

    def load_member(self, k: int, state: Mapping[str, Tensor]) -> None:
        """Take over the state dictionary of member ``k``'s own network."""
        self._members[k].load_state_dict(state)
        if self._lead == 0:
            self.refresh()
            return
        self.assign(k, self.flat, state)
        self.refresh()
        stacked = dict(self.network.named_buffers())
        for name, buffer in self._members[k].named_buffers():
            _corner(stacked[self._inner(name)][k], buffer).copy_(buffer)

    def named(self, k: int, flat: Tensor) -> dict[str, Tensor]:
        """Member ``k``'s part of a tensor laid out as ``flat``, by parameter name, in the member's own shapes."""
        own = dict(self._members[k].named_parameters())
        parts = unflatten(flat, self._parameters, self._lead)
        return {
            name: _corner(part[k] if self._lead else part, own[name])
            for name, part in zip(self._names, parts, strict=True)
        }

    @torch.no_grad()
    def assign(self, k: int, flat: Tensor, values: Mapping[str, Tensor]) -> None:
        """Write what ``named`` gave into member ``k``'s part of ``flat``."""
        for name, part in self.named(k, flat).items():
            part.copy_(values[name])

    def _inner(self, name: str) -> str:
        """A buffer's name in the stack, which may wrap the module."""
        return name if name in dict(self.network.named_buffers()) else f"module.{name}"


def adopt_dropout(network: nn.Module) -> nn.Module:
    """Replace every ``nn.Dropout`` in ``network``, in place, by one whose mask can be handed in."""
    for name, child in network.named_children():
        if type(child) is nn.Dropout:
            setattr(network, name, Dropout(child.p))
        else:
            adopt_dropout(child)
    return network


def _probe(network: nn.Module, example: Tensor) -> list[tuple[int, ...]]:
    """Shape of one sample's multiplier at each dropout site; on a copy, for its running statistics' sake."""
    probe = copy.deepcopy(network).to(example.device).train()
    with torch.no_grad(), torch.random.fork_rng():
        probe(example)
    return [tuple(module.shape[1:]) for module in probe.modules() if isinstance(module, Dropout)]


def flatten(tensors: Sequence[Tensor], lead: int) -> tuple[Tensor, list[Tensor]]:
    """One tensor that holds all of them, each starting at a multiple of 64 bytes, and the views into it.

    The first ``lead`` dimensions, which all tensors share, stay in front.
    """
    total = sum(_padded(t, lead) for t in tensors)
    flat = tensors[0].new_zeros(*tensors[0].shape[:lead], total, requires_grad=False)
    views = unflatten(flat, tensors, lead)
    for view, tensor in zip(views, tensors, strict=True):
        view.copy_(tensor.detach())
    return flat, views


def unflatten(flat: Tensor, like: Sequence[Tensor], lead: int) -> list[Tensor]:
    """Views into ``flat`` in the shapes of ``like``, as ``flatten`` lays them out."""
    starts = accumulate((_padded(t, lead) for t in like), initial=0)
    return [flat[..., a : a + prod(t.shape[lead:])].view(t.shape) for a, t in zip(starts, like, strict=False)]


def _corner(padded: Tensor, own: Tensor) -> Tensor:
    """The part of a padded tensor that a member's own one fills."""
    return padded[tuple(slice(size) for size in own.shape)]


def _padded(tensor: Tensor, lead: int) -> int:
    return -(-prod(tensor.shape[lead:]) // 16) * 16
