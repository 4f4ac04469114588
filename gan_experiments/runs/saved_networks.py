"""The networks of a run that has trained, read from its folder."""

from __future__ import annotations

from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_experiments.configuration.instantiate import build_networks
from gan_experiments.data.sample_space import SampleSpace
from gan_experiments.errors import UserError
from gan_experiments.models.conditioning import columns_of, labels_in_turn
from gan_experiments.models.networks import Networks, apply
from gan_experiments.tracking.run_directory import RunDirectory, epoch_of
from gan_experiments.training import checkpoint

_BATCH = 500
"""Samples that are drawn at once."""


class SavedGenerator(nn.Module):
    """A trained generator on the CPU: from latents, and labels if it is conditional, to samples in the data's range.

    Args:
        state: A checkpoint, as ``load_state`` reads it.

    Attributes:
        latent_dim: Dimension of z.
        classes: Number of classes of a conditional generator, else None.
        space: The shape, the range and the classes of samples.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__()
        networks = load_networks(state)
        self.generator, self.latent_dim = networks.generator, networks.latent_dim
        self.classes = networks.classes
        self.space = SampleSpace.from_description(state)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generate samples: float32 ``[N, latent_dim]`` -> uint8 ``[N, C, H, W]`` or float32 ``[N, D]``."""
        return self.space.denormalise(apply(self.generator, latents, labels))

    def columns(self, count: int, label: int | str | None) -> int | None:
        """Return the columns of a picture of ``count`` samples that ``draw`` draws, if each shows one class."""
        return columns_of(count, self.classes if label is None else None)

    def draw(self, latents: Tensor, seed: int, label: int | None = None) -> Tensor:
        """Generate samples without gradients, some at a time.

        Args:
            latents: float32 ``[N, latent_dim]``.
            seed: For what the network itself draws.
            label: The class of all samples; None for each in turn. Without effect on generators without labels.
        """
        labels = None
        if self.classes is not None:
            count = len(latents)
            labels = labels_in_turn(count, self.classes) if label is None else torch.full((count,), label)
        with torch.random.fork_rng([]), torch.inference_mode():
            torch.manual_seed(seed)
            batches = latents.split(_BATCH)
            of_batches = [None] * len(batches) if labels is None else labels.split(_BATCH)
            return torch.cat([self(x, y) for x, y in zip(batches, of_batches, strict=True)])


def load_state(directory: RunDirectory, epoch: int | None = None) -> dict[str, Any]:
    """Read the checkpoint of a run's generator: the last or, with ``train.keep_best``, the best; or that of an epoch.

    Raises:
        UserError: There is no such checkpoint.
    """
    if epoch is None:
        state = checkpoint.load(directory.checkpoint)
        best = state["config"]["train"].get("keep_best", False) and directory.best_generator.exists()
        return checkpoint.load(directory.best_generator) if best else state
    path = directory.generator_after(epoch)
    if not path.exists():
        kept = ", ".join(str(epoch_of(file)) for file in directory.kept_generators())
        raise UserError(f"epoch {epoch}: there is no checkpoint of that epoch; there are {kept or 'none'}")
    return checkpoint.load(path)


def load_networks(state: dict[str, Any]) -> Networks:
    """Build a checkpoint's networks on the CPU, with the trained generator (its average, where the run has one)."""
    with torch.random.fork_rng([]):  # first weights are drawn here, too
        model, classes = DictConfig(state["config"]["model"]), state.get("classes")
        networks: Networks = build_networks(model, state["sample_shape"], classes)
    whole = state.get("step_state", state)
    networks.generator.load_state_dict(whole["generator"] | whole.get("generator_average", {}))
    networks.generator.eval()
    return networks
