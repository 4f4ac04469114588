"""What D makes of samples that it has never seen, next to those that it learns from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_experiments.data.batch import Batch
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.networks import apply, logits_of
from gan_experiments.training.counter_rng import fixed_latents

_MOST = 256
"""Samples of each kind: enough for a mean, and few next to an epoch."""
_SURE = 3.0
"""Standard errors by which held-out samples have to lie below learnt ones; less is chance."""


class HeldOut:
    """Compares D's outputs for learnt, held-out and generated samples: always the same ones, as many of each.

    D is taken as it is, dropout off, and sees samples without augmentation or noise. Its overfitting is the heuristic
    r_v of Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020, eq. 1,

        ``(E D(learnt) - E D(held out)) / (E D(learnt) - E D(generated))``

    of logits: 0 where D cannot tell held-out samples from learnt ones, 1 where it takes them for generated ones. It
    stays in [0, 1], and is 0 where the numerator may be chance.

    Args:
        dataset: With samples that are not learnt (``Dataset.validation``).
        conditional: Whether the networks take labels.
        device: The device of the networks.
    """

    def __init__(self, dataset: Dataset, conditional: bool, device: torch.device) -> None:
        assert dataset.validation is not None
        count = min(_MOST, len(dataset), len(dataset.validation))

        def some(samples: Tensor, labels: Tensor | None) -> Batch:
            # From everywhere: the samples of a class may stand together.
            chosen = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))[:count]
            y = labels[chosen].to(device) if labels is not None and conditional else None
            return Batch(dataset.normalise(samples[chosen].to(device)), y)

        self._learnt = some(dataset.samples, dataset.labels)
        self._held_out = some(dataset.validation, dataset.validation_labels)

    @torch.no_grad()
    def metrics(self, discriminator: nn.Module, generator: nn.Module, latent_dim: int) -> dict[str, float]:
        """Return D's mean probability of learnt and of held-out samples, and its overfitting, by MLflow name.

        Args:
            discriminator: D, in evaluation mode.
            generator: G as it trains, in evaluation mode.
            latent_dim: Dimension of its z.
        """
        x, y = self._learnt
        generated = Batch(apply(generator, fixed_latents(len(x), latent_dim).to(x.device), y), y)
        batches = (self._learnt, self._held_out, generated)
        logits = torch.stack([logits_of(apply(discriminator, *batch)).flatten().double() for batch in batches])
        learnt, held_out = torch.sigmoid(logits[:2]).mean(1).tolist()
        return {
            "prob/learnt": learnt,
            "prob/held_out": held_out,
            "overfitting/discriminator": _overfitting(logits),
        }


def held_out(dataset: Dataset, conditional: bool, device: torch.device) -> HeldOut | None:
    """Return the comparison, or None where no sample is held out, or no label of one that D needs."""
    lacking = dataset.validation_labels is None if conditional else dataset.validation is None
    return None if lacking else HeldOut(dataset, conditional, device)


def _overfitting(logits: Tensor) -> float:
    variance, (learnt, held_out, generated) = logits.var(1), logits.mean(1).tolist()
    chance = ((variance[0] + variance[1]) / logits.shape[1]).sqrt().item()
    difference = learnt - held_out
    if not difference > _SURE * chance:
        return 0.0
    return difference / max(difference, learnt - generated)
