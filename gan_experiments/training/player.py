"""One of the two networks as the training step sees it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from gan_experiments.models.dropout import Dropout


class Player:
    """A network, its trainable parameters, and the places where it drops units.

    ``nn.Dropout`` modules of a user's own network are replaced by ours, so that their masks come from the step's
    noise; what else a network draws comes from torch's global generator.

    The parameters become views of one tensor, and so do their gradients: the optimiser then reads and writes one
    stretch of memory in one kernel.

    Args:
        network: The generator or the discriminator, on its device, with float32 parameters.
        example: A batch of at least two inputs.

    Attributes:
        network: The network, with its parameters and dropouts replaced in place.
        flat: All trainable parameters, float32 ``[P]``, each padded to a multiple of 16.
        gradient: Their latest gradients, likewise.
    """

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        self.network = adopt_dropout(network)
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.flat, views = _flatten(self._parameters)
        self.gradient, self._gradients = _flatten([torch.zeros_like(p) for p in self._parameters])
        for parameter, view in zip(self._parameters, views, strict=True):
            parameter.data = view
        self._sites = _dropouts(self.network)
        # On a copy: the call would touch running statistics.
        probe = copy.deepcopy(self.network).train()
        with torch.no_grad(), torch.random.fork_rng():
            probe(example)
        self.mask_shapes = [tuple(site.shape) for site in _dropouts(probe)]
        self.mask_probabilities = [site.p for site in self._sites]

    def __call__(self, x: Tensor, masks: Sequence[Tensor], **options: int) -> Tensor:
        """The network's output for ``x`` with these multipliers ``[B, *shape]`` at its dropout sites."""
        for site, mask in zip(self._sites, masks, strict=True):
            site.mask = mask
        try:
            return self.network(x, **options)
        finally:
            for site in self._sites:
                site.mask = None

    def differentiate(self, loss: Tensor) -> None:
        """Fill ``gradient`` with the derivative of ``loss``, a scalar."""
        for parameter, target in zip(self._parameters, self._gradients, strict=True):
            parameter.gradient_target = target  # type: ignore[attr-defined]
        found = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        for parameter, target, gradient in zip(self._parameters, self._gradients, found, strict=True):
            parameter.gradient_target = None  # type: ignore[attr-defined]
            if gradient.data_ptr() != target.data_ptr():
                target.copy_(gradient)

    def require_gradients(self, required: bool) -> None:
        """Whether derivatives with respect to the parameters are computed from here on."""
        for parameter in self._parameters:
            parameter.requires_grad_(required)


def adopt_dropout(network: nn.Module) -> nn.Module:
    """Replace every ``nn.Dropout`` in ``network``, in place, by one whose mask can be handed in."""
    for name, child in network.named_children():
        if type(child) is nn.Dropout:
            setattr(network, name, Dropout(child.p))
        else:
            adopt_dropout(child)
    return network


def _dropouts(network: nn.Module) -> list[Dropout]:
    return [module for module in network.modules() if isinstance(module, Dropout) and module.p > 0]


def _flatten(tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """One tensor that holds all of them, each starting at a multiple of 64 bytes, and the views into it."""
    starts = list(accumulate((-(-t.numel() // 16) * 16 for t in tensors), initial=0))
    flat = tensors[0].new_zeros(starts[-1], requires_grad=False)
    views = [flat[a : a + t.numel()].view(t.shape) for a, t in zip(starts, tensors, strict=False)]
    for view, tensor in zip(views, tensors, strict=True):
        view.copy_(tensor.detach())
    return flat, views
