"""Several runs' networks as one: every tensor gains a dimension in front, the members of the stack."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.models.dropout import Dropout
from gan_experiments.models.mlp import Discriminator, Generator


class UnstackableError(Exception):
    """These networks cannot train as one; the message says why."""


def stack_modules(modules: Sequence[nn.Module]) -> nn.Module:
    """Return one module that computes all members' at once: ``[K, B, …]`` -> ``[K, B, …]``.

    Perceptrons may differ in widths, latent dimension, slope and dropout: a member narrower than the widest is
    padded with zeros, which stay exactly zero (no gradient reaches them). Networks of any other architecture must
    agree in every shape and setting but dropout; they run under ``torch.vmap`` (Horace He and Richard Zou,
    functorch, 2021). The idea of training a sweep as one array program is HFTA's (Wang et al., MLSys 2021).

    Args:
        modules: One of each member, all of one class.

    Raises:
        UnstackableError: They differ in class, in the names of their tensors, or (but for perceptrons) in shapes or
            in settings such as an activation's slope.
    """
    # 1. Only modules of one class and one structure can be stacked.
    kinds = {type(module) for module in modules}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise UnstackableError(f"the networks are of different classes: {names}")
    if len({tuple(name for name, _ in _tensors(module)) for module in modules}) > 1:
        raise UnstackableError("the networks differ in depth or in the kind of their layers")
    dense = kinds <= {Generator, Discriminator}
    # 2. The first module, with every tensor [...] replaced by all members' [K, ...], padded where they differ.
    stacked = copy.deepcopy(modules[0])
    for name, tensor in list(_tensors(stacked)):
        tensors = [dict(_tensors(module))[name].detach() for module in modules]
        if not dense and len({t.shape for t in tensors}) > 1:
            raise UnstackableError(f"the networks differ in the shape of {name}")
        holder, _, attribute = name.rpartition(".")
        value = pad_and_stack(tensors)
        if isinstance(tensor, nn.Parameter):
            value = type(tensor)(value, requires_grad=tensor.requires_grad)
        setattr(stacked.get_submodule(holder), attribute, value)
    # 3. Each member drops units with its own probability.
    for sites in zip(*(_dropouts(module) for module in (stacked, *modules)), strict=True):
        sites[0].p_of_members = [site.p for site in sites[1:]]
        sites[0].p = max(sites[0].p_of_members)
    # 4. Settings that are not tensors: the same in all members, but for a perceptron's slope.
    if not dense:
        for name, value in _settings(modules[0]).items():
            if not all(is_equal(_settings(module).get(name), value) for module in modules):
                raise UnstackableError(f"the networks differ in {name}")
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

    def forward(self, x: Tensor) -> Tensor:
        """Compute every member: ``[K, B, …]`` -> ``[K, B, …]``."""
        masks = [site.mask for site in self._sites] if self.training else []

        def one(tensors: dict[str, Tensor], masks: list[Tensor], x: Tensor) -> Tensor:
            for site, mask in zip(self._sites, masks, strict=False):
                site.mask = mask
            return torch.func.functional_call(self.module, tensors, (x,))

        return torch.vmap(one)(dict(_tensors(self.module)), masks, x)


def pad_and_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return ``[K, *largest]`` from tensors of one rank: each in the low corner of its slice, zeros elsewhere."""
    largest = [max(sizes) for sizes in zip(*(t.shape for t in tensors), strict=True)]
    stacked = tensors[0].new_zeros(len(tensors), *largest)
    for target, tensor in zip(stacked, tensors, strict=True):
        target[tuple(slice(size) for size in tensor.shape)].copy_(tensor)
    return stacked


def is_equal(a: Any, b: Any) -> bool:
    """Return whether two attributes are the same value of the same type; False where that cannot be told."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    try:
        return type(a) is type(b) and bool(a == b)
    except (RuntimeError, ValueError):
        return False


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return the attributes that decide how a network computes, besides its tensors and its dropout."""
    return {
        f"{name}.{key}".lstrip("."): value
        for name, part in module.named_modules()
        if not isinstance(part, Dropout)
        for key, value in vars(part).items()
        if key != "training" and not key.startswith("_")
    }


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def _dropouts(module: nn.Module) -> list[Any]:
    return [m for m in module.modules() if isinstance(m, Dropout)]
