"""This project as a contender: the trainer of every run, with its statistics and events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.timing import StepsTaken
from gan_experiments.models.mlp import build
from gan_experiments.objectives import NonSaturating
from gan_experiments.training.events import Diverged, StepsFinished
from gan_experiments.training.member import Member
from gan_experiments.training.trainer import Trainer

ENDLESS = 10**9
"""Epochs: more than any measurement reaches, so no checkpoint is due and no samples are drawn."""


def ours(recipe: Recipe, seeds: range, engine: str, precision: str) -> Iterator[StepsTaken]:
    """Train one member a seed, several as one stack; yield after each window of steps.

    Raises:
        UserError: The device lacks the engine.
    """
    members = [member(recipe, seed, engine, precision) for seed in seeds]
    trainer = Trainer(members, recipe.dataset, device=recipe.device, sample_every=ENDLESS)
    for k, event in trainer.events():
        if isinstance(event, Diverged):
            raise RuntimeError(f"the run of seed {seeds[k]} diverged: {event.reason}")
        if isinstance(event, StepsFinished) and k == len(seeds) - 1:
            yield StepsTaken(len(event.generator_loss), event.discriminator_loss[-1], event.generator_loss[-1])


def member(recipe: Recipe, seed: int, engine: str, precision: str, epochs: int = ENDLESS) -> Member:
    """Return a run of the recipe as it enters training."""
    train = replace(recipe.train, epochs=epochs, checkpoint_every=ENDLESS, engine=engine, precision=precision)
    torch.manual_seed(seed)
    networks = build(
        recipe.dataset.sample_shape,
        recipe.model.name,
        recipe.model.latent_dim,
        recipe.model.generator_widths,
        recipe.model.discriminator_widths,
        recipe.model.negative_slope,
        recipe.model.dropout,
    )
    return Member(networks, train, seed, NonSaturating("non_saturating"))
