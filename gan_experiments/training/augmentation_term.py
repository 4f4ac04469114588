"""Augmentation of all that D sees, as the step applies it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_experiments.data.batch import Batch
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.training.augmentations.augmentation import Augmentation
from gan_experiments.training.member import Member
from gan_experiments.training.stacked_terms import Terms

_BELOW_ONE = 1 - 2**-24


class AugmentationTerm:
    """The augmentation of every member.

    Args:
        augmentations: Each member's.
        sample_shape: Shape of one sample.
        device: Where samples are augmented.
        later: Those that may take a member's place.

    Attributes:
        uniforms: Random numbers needed for each sample.
        terms: Computes all of them; what changes as they train belongs to the step's state.

    Raises:
        UnstackableError: The augmentations differ in class or structure.
    """

    def __init__(
        self,
        augmentations: Sequence[Augmentation],
        sample_shape: Sequence[int],
        device: torch.device,
        later: Sequence[Augmentation] = (),
    ) -> None:
        self.terms = Terms("augmentations", augmentations, device, later)
        self.uniforms = augmentations[0].uniforms(tuple(sample_shape))
        self._dim = int(len(augmentations) > 1)
        self._metrics: tuple[str, ...] = getattr(augmentations[0], "metrics", ())
        two = torch.zeros(2, *sample_shape, device=device)
        self.terms.probe("apply", two, torch.zeros(2, self.uniforms, device=device))

    def __call__(self, batches: Sequence[Batch], uniforms: Sequence[Tensor]) -> list[Batch]:
        """Return the batches, augmented, given each one's numbers; for a stack, all have the members in front."""
        changed = list(batches)
        # Those that no derivative goes through are changed together, and autograd stores nothing of them.
        for differentiable in (False, True):
            places = [i for i, batch in enumerate(batches) if batch.x.requires_grad is differentiable]
            if places:
                x = torch.cat([batches[i].x for i in places], self._dim)
                uniform = torch.cat([uniforms[i] for i in places], self._dim).clamp(max=_BELOW_ONE)
                parts = self.terms("apply", x, uniform).split(batches[0].x.shape[self._dim], self._dim)
                for i, part in zip(places, parts, strict=True):
                    changed[i] = batches[i]._replace(x=part)
        return changed

    def observe(self, real_logits: Tensor) -> None:
        """Let strengths follow D's logits of real samples, ``[B]``; for a stack ``[K, B]``."""
        self.terms.change(real_logits)

    def metrics(self) -> dict[str, Tensor]:
        """Return what is recorded at an epoch's end, by its MLflow name, ``[K]``."""
        return {f"augment/{name}": self.terms.changing[name] for name in self._metrics}


def augmentation_term(
    members: Sequence[Member], sample_shape: Sequence[int], device: torch.device, later: Sequence[Member] = ()
) -> AugmentationTerm | None:
    """Return the members' augmentation, or None where they have none; ``later`` are members that may join.

    Raises:
        UnstackableError: The members' augmentations differ in class or structure, or only some have one.
    """
    everyone = [*members, *later]
    given = [member.augmentation for member in everyone if member.augmentation is not None]
    if given and len(given) < len(everyone):
        raise UnstackableError("some members have an augmentation and others none")
    count = len(members)
    return AugmentationTerm(given[:count], sample_shape, device, given[count:]) if given else None
