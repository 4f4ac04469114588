"""One of the two networks as the training step sees it, alone or stacked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.data.batch import Batch
from gan_experiments.models.dropout import Dropout
from gan_experiments.models.networks import apply, logits_of
from gan_experiments.models.stacking import check_room, stack_modules
from gan_experiments.training.device import generators_kept
from gan_experiments.training.flat_parameters import FlatParameters


class Player:
    """A network, its trainable parameters, and the places where it drops units.

    ``nn.Dropout`` modules of a user's network are replaced by ours, so that their masks come from the step's noise;
    any other random number that a network draws comes from torch's global generator.

    Args:
        networks: The networks of all members, with float32 parameters; one for a run by itself.
        examples: For each, and for each that comes later, a batch of two.
        low_precision: A type that dense layers compute in, or None for the parameters' own.
        later: Networks that may take a member's place.

    Attributes:
        network: The network that computes: the only one, or the stack of all.
        parameters: Its parameters and gradients.
        mask_shapes: Shape of one sample's multiplier at each dropout site; in a stack, the largest.
        mask_probabilities: The drop probability at each site; in a stack, one a member.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        examples: Sequence[Batch],
        low_precision: torch.dtype | None = None,
        later: Sequence[nn.Module] = (),
    ) -> None:
        # 1. Each member's dropout takes its masks from outside; a pass shows their shapes.
        members, others = ([adopt_dropout(network) for network in each] for each in (networks, later))
        shapes = [_probe(network, example) for network, example in zip((*members, *others), examples, strict=True)]
        # 2. One network computes all members.
        self.network = members[0] if len(members) == 1 else stack_modules(members, others)
        self.network.to(examples[0].x.device)
        self._compute: Callable[..., Any] = self.network
        # 3. The sites that drop something in at least one member.
        sites = [module for module in self.network.modules() if isinstance(module, Dropout)]
        largest = [tuple(map(max, zip(*of_site, strict=True))) for of_site in zip(*shapes, strict=True)]
        self._active = [i for i, site in enumerate(sites) if site.p > 0]
        self._sites, self.mask_shapes = [sites[i] for i in self._active], [largest[i] for i in self._active]
        self.mask_probabilities = [site.p_of_members or site.p for site in self._sites]
        # 4. Parameters and gradients in one tensor each.
        self.parameters = FlatParameters(members, self.network, low_precision)

    def check(self, network: nn.Module) -> list[float]:
        """Make sure that a network can take a member's place; return its drop probability at each site.

        Raises:
            UnstackableError: The stack has no room for it.
        """
        check_room(self.network, adopt_dropout(network))
        sites = [module for module in network.modules() if isinstance(module, Dropout)]
        return [sites[i].p for i in self._active]

    def put(self, k: int, network: nn.Module) -> None:
        """Let a network that passed ``check`` take the place of member ``k`` of a stack."""
        self.parameters.put(k, network)

    def compile(self) -> None:
        """Have torch compile the network's forward and backward pass."""
        self._compute = torch.compile(self._compute, dynamic=False)

    def __call__(self, batch: Batch, masks: Sequence[Tensor], **options: int) -> Any:
        """Return the network's output for a batch, with these multipliers ``[B, *shape]`` at its dropout sites."""
        with self._dropping(masks):
            return apply(self._compute, *batch, **options)

    def input_gradient(self, batch: Batch, masks: Sequence[Tensor]) -> Tensor:
        """Return the derivative of each logit by its own input, of ``x``'s shape; it can be differentiated."""
        x = batch.x.detach().requires_grad_()
        with self._dropping(masks):
            # Never the compiled network, which can be differentiated only once.
            logits = logits_of(apply(self.network, x, batch.y))
        return torch.autograd.grad(logits.sum(), x, create_graph=True)[0]

    @contextmanager
    def _dropping(self, masks: Sequence[Tensor]) -> Iterator[None]:
        for site, mask in zip(self._sites, masks, strict=True):
            site.mask = mask
        try:
            yield
        finally:
            for site in self._sites:
                site.mask = None


def adopt_dropout(network: nn.Module) -> nn.Module:
    """Replace every ``nn.Dropout`` in ``network``, in place, by one whose mask can be handed in."""
    for name, child in network.named_children():
        if type(child) is nn.Dropout:
            setattr(network, name, Dropout(child.p))
        else:
            adopt_dropout(child)
    return network


def _probe(network: nn.Module, example: Batch) -> list[tuple[int, ...]]:
    """Return the shape of one sample's multiplier at each dropout site.

    A copy is probed: the pass changes running statistics. All sites are, because one that drops nothing may stand
    next to members that drop something.
    """
    probe = copy.deepcopy(network).to(example.x.device).train()
    with torch.no_grad(), generators_kept(example.x.device):
        apply(probe, *example)
    return [tuple(module.shape[1:]) for module in probe.modules() if isinstance(module, Dropout)]
