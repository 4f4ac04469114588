"""Several runs' networks as one: every tensor gains a dimension in front, the members of the stack."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from gan_experiments.models.dropout import Dropout
from gan_experiments.models.leaky_relu import StackedLeakyReLU
from gan_experiments.models.mlp import Discriminator, Generator
from gan_experiments.models.vmapped_autocast import vmapped_autocast

_SIZES = frozenset({"in_channels", "in_features", "num_features", "out_channels", "out_features"})
"""Attributes by which torch's layers tell their widths; they compute by their tensors' shapes."""


class UnstackableError(Exception):
    """These networks cannot train as one; the message says why."""


def stack_modules(modules: Sequence[nn.Module], later: Sequence[nn.Module] = ()) -> nn.Module:
    """Return one module that computes all members' at once: ``[K, B, …]`` -> ``[K, B, …]``.

    Perceptrons compute a stack themselves. Networks of any other architecture run under ``torch.vmap`` (Horace He
    and Richard Zou, functorch, 2021). Members may differ in dropout and in the slopes of LeakyReLU. Perceptrons, and
    networks whose class declares ``pads_exactly = True``, may differ in widths, too: a member narrower than the
    widest is padded with zeros, which stay exactly zero (no gradient reaches them). The idea of training a sweep as
    one array program is HFTA's (Wang et al., MLSys 2021).

    Args:
        modules: One of each member, all of one class.
        later: Modules for which the stack has room, too, so that each may take a member's place (``put``).

    Raises:
        UnstackableError: They differ in class, in the names of their tensors, in shapes that cannot be padded, or in
            other settings.
    """
    # 1. Only modules of one class and one structure can be stacked.
    everyone = [*modules, *later]
    kinds = {type(module) for module in everyone}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise UnstackableError(f"the networks are of different classes: {names}")
    if len({tuple(name for name, _ in _tensors(module)) for module in everyone}) > 1:
        raise UnstackableError("the networks differ in depth or in the kind of their layers")
    dense = kinds <= {Generator, Discriminator}
    pads = dense or all(getattr(kind, "pads_exactly", False) for kind in kinds)
    # 2. The first module, with every tensor [...] replaced by all members' [K, ...], padded where they differ.
    stacked = copy.deepcopy(modules[0])
    for name, tensor in list(_tensors(stacked)):
        tensors = [dict(_tensors(module))[name].detach() for module in everyone]
        if not pads and len({t.shape for t in tensors}) > 1:
            raise UnstackableError(f"the networks differ in the shape of {name}")
        holder, _, attribute = name.rpartition(".")
        value = pad_and_stack(tensors, len(modules))
        if isinstance(tensor, nn.Parameter):
            value = type(tensor)(value, requires_grad=tensor.requires_grad)
        setattr(stacked.get_submodule(holder), attribute, value)
    # 3. Each member drops units with its own probability.
    for sites in zip(*(_dropouts(module) for module in (stacked, *everyone)), strict=True):
        sites[0].p_of_members = [site.p for site in sites[1 : len(modules) + 1]]
        sites[0].p = max(site.p for site in sites[1:])
    # 4. Settings that are not tensors: the same in all members, but for slopes.
    if not dense:
        _check_settings(everyone, _SIZES if pads else frozenset())
        _stack_slopes(stacked, modules, later)
        return Vmapped(stacked)
    slopes = [float(module.negative_slope) for module in modules]  # type: ignore[arg-type]
    del stacked.negative_slope
    stacked.register_buffer("negative_slope", torch.tensor(slopes).view(-1, 1, 1), persistent=False)  # [K, 1, 1]
    return stacked


class Vmapped(nn.Module):
    """A module whose tensors are stacked, applied to each member by ``torch.vmap``.

    Args:
        module: The module; its parameters and buffers have the members in front.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self._sites = [site for site in _dropouts(module) if site.p > 0]

    def forward(self, *inputs: Tensor) -> Any:
        """Compute every member: inputs ``[K, B, …]``, samples or latents and perhaps labels -> ``[K, B, …]``."""
        masks = [site.mask for site in self._sites] if self.training else []

        def one(tensors: dict[str, Tensor], masks: list[Tensor], *inputs: Tensor) -> Any:
            for site, mask in zip(self._sites, masks, strict=False):
                site.mask = mask
            return torch.func.functional_call(self.module, tensors, inputs)

        with vmapped_autocast(inputs[0].device.type):
            return torch.vmap(one)(dict(_tensors(self.module)), masks, *inputs)


def check_room(stacked: nn.Module, module: nn.Module) -> None:
    """Make sure that a module can take a member's place in a stack.

    Args:
        stacked: What ``stack_modules`` returned.
        module: The newcomer.

    Raises:
        UnstackableError: The stack has no room for it.
    """
    inner = stacked.module if isinstance(stacked, Vmapped) else stacked
    own, theirs = dict(_tensors(module)), dict(_tensors(inner))
    theirs = {name: tensor for name, tensor in theirs.items() if not name.endswith("negative_slope")}
    if type(module) is not type(inner) or own.keys() != theirs.keys():
        raise UnstackableError("the networks differ in depth or in the kind of their layers")
    for name, tensor in own.items():
        room = theirs[name].shape[1:]
        pads = not isinstance(stacked, Vmapped) or getattr(type(module), "pads_exactly", False)
        if any(a > b for a, b in zip(tensor.shape, room, strict=True)) or not (pads or tensor.shape == room):
            raise UnstackableError(f"a stack of these networks has no room for {name} of shape {list(tensor.shape)}")
    for site, place in zip(_dropouts(module), _dropouts(inner), strict=True):
        if site.p > 0 and place.p == 0:
            raise UnstackableError("nothing is dropped in a stack of these networks")
    for slope, place in _slopes(module, inner):
        if not isinstance(place, Tensor) and slope != place:
            raise UnstackableError(f"all members of a stack of these networks have the slope {place}, not {slope}")


@torch.no_grad()
def put(stacked: nn.Module, k: int, module: nn.Module) -> None:
    """Let a module that passed ``check_room`` take the place of member ``k``, in all but parameters.

    These are buffers, with zeros around them, and slopes. The stack's tensors keep their places in memory.
    """
    inner = stacked.module if isinstance(stacked, Vmapped) else stacked
    buffers = dict(inner.named_buffers())
    for name, buffer in module.named_buffers():
        buffers[name][k].zero_()
        corner(buffers[name][k], buffer).copy_(buffer)
    for slope, place in _slopes(module, inner):
        if isinstance(place, Tensor):
            place[k] = slope


def corner(padded: Tensor, member: Tensor) -> Tensor:
    """Return the part of a padded tensor that a member's own one fills."""
    return padded[tuple(slice(size) for size in member.shape)]


def pad_and_stack(tensors: Sequence[Tensor], members: int) -> Tensor:
    """Return ``[members, *largest]`` from tensors of one rank: each in the low corner of its slice, zeros elsewhere.

    Only the first ones are members; the others say how large it must be.
    """
    largest = [max(sizes) for sizes in zip(*(t.shape for t in tensors), strict=True)]
    stacked = tensors[0].new_zeros(members, *largest)
    for target, tensor in zip(stacked, tensors[:members], strict=True):
        corner(target, tensor).copy_(tensor)
    return stacked


def is_equal(a: Any, b: Any) -> bool:
    """Return whether two attributes are the same value of the same type; False where that cannot be told."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    try:
        return type(a) is type(b) and bool(a == b)
    except (RuntimeError, ValueError):
        return False


def _check_settings(modules: Sequence[nn.Module], ignored: frozenset[str]) -> None:
    """Make sure that all members agree in the attributes that decide how they compute, besides tensors.

    Raises:
        UnstackableError: They do not.
    """
    first, *others = [
        {
            f"{name}.{key}".lstrip("."): value
            for name, part in module.named_modules()
            if not isinstance(part, Dropout)
            for key, value in vars(part).items()
            if key != "training" and not key.startswith("_") and key not in ignored
            if not (key == "negative_slope" and isinstance(part, nn.LeakyReLU))
        }
        for module in modules
    ]
    for name, value in first.items():
        if not all(is_equal(settings.get(name), value) for settings in others):
            raise UnstackableError(f"the networks differ in {name}")


def _stack_slopes(stacked: nn.Module, modules: Sequence[nn.Module], later: Sequence[nn.Module]) -> None:
    """Give each member its own slope at every LeakyReLU where they differ."""
    for name, part in list(stacked.named_modules()):
        if isinstance(part, nn.LeakyReLU):
            slopes = [float(module.get_submodule(name).negative_slope) for module in (*modules, *later)]  # type: ignore[arg-type]
            if len(set(slopes)) > 1:
                stacked.set_submodule(name, StackedLeakyReLU(slopes[: len(modules)]))


def _slopes(module: nn.Module, stacked: nn.Module) -> Iterator[tuple[float, float | Tensor]]:
    """Yield each slope of a module, and the place of its like in a stack: a tensor ``[K, ...]``, or one for all."""
    if isinstance(module, Generator | Discriminator):
        yield float(module.negative_slope), cast("float | Tensor", stacked.negative_slope)
        return
    for name, part in module.named_modules():
        if isinstance(part, nn.LeakyReLU):
            yield part.negative_slope, cast("float | Tensor", stacked.get_submodule(name).negative_slope)


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def _dropouts(module: nn.Module) -> list[Any]:
    return [m for m in module.modules() if isinstance(m, Dropout)]
