"""The Parzen-window log-likelihood of the first GAN paper: to report, not to select by."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score, mean_score

SIGMAS = torch.logspace(-1, 0, 10, dtype=torch.float64)
"""Candidate widths of the window, in units of the pixels' range."""
_HELD_OUT = 1000
_CHUNK = 500


class Parzen(Metric):
    """The log-likelihood of real images; the window's width is chosen on images that are held out."""

    scores: ClassVar = {"parzen_log_likelihood": ScoreType(larger_is_better=True), "parzen_sigma": ScoreType()}
    needs = frozenset({Need.IMAGES})

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Score the real images under windows around the samples."""
        held_out = self.reference.held_out
        return Measured(score(*(_unit(part) for part in (samples.samples, held_out, real.samples))))


def _unit(samples: Tensor) -> Tensor:
    """Flatten samples and map [-1, 1] to [0, 1]: ``[N, D]``."""
    return (samples.flatten(1) + 1) / 2


def score(samples: Tensor, held_out: Tensor, test: Tensor) -> dict[str, Score]:
    """Return the mean log-likelihood of the test set under normal windows around the samples.

    The protocol of I. Goodfellow et al., "Generative adversarial networks", 2014, table 1: 10,000 samples; the
    window's width is the one of ``SIGMAS`` under which 1,000 held-out samples are likeliest; the error is over the
    test set. It has a high variance and rewards blur (L. Theis et al., "A note on the evaluation of generative
    models", 2016).

    Args:
        samples: Generated samples in [0, 1], not rounded to grey levels: float ``[N, D]``.
        held_out: Real samples, the first thousand of which choose the width: ``[M, D]`` in [0, 1].
        test: Real samples that are scored: ``[T, D]`` in [0, 1].

    Returns:
        ``parzen_log_likelihood`` in nats a sample, and ``parzen_sigma``.
    """
    chosen = log_likelihood(samples, held_out[:_HELD_OUT], SIGMAS).mean(1).argmax()
    sigma = SIGMAS[chosen : chosen + 1]
    return {
        "parzen_log_likelihood": mean_score(log_likelihood(samples, test, sigma)[0]),
        "parzen_sigma": Score(sigma.item()),
    }


def log_likelihood(samples: Tensor, points: Tensor, sigmas: Tensor) -> Tensor:
    """Return ``log 1/N sum_i N(x; s_i, sigma^2 I)`` of points ``[M, D]`` and widths ``[S]``: float64 ``[S, M]``."""
    samples, dimension = samples.double(), samples.shape[1]
    normaliser = math.log(len(samples)) + dimension * (sigmas * math.sqrt(2 * math.pi)).log()
    rows = []
    for chunk in points.split(_CHUNK):
        squared = torch.cdist(chunk.double(), samples).square()
        rows.append(torch.stack([torch.logsumexp(squared / (-2 * sigma**2), 1) for sigma in sigmas.tolist()]))
    return torch.cat(rows, 1).cpu() - normaliser[:, None]
