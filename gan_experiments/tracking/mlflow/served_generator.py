"""Loads a generator that was logged as an MLflow model; travels in the model's own code folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate

from gan_experiments.data.sample_space import SampleSpace
from gan_experiments.models.networks import Networks


class ServedGenerator:
    """Draws samples in the data's own range.

    Args:
        networks: The pair of networks, the generator with its final weights.
        space: The shape and the range of a sample.

    Attributes:
        latent_dim: Dimension of z.
    """

    def __init__(self, networks: Networks, space: SampleSpace) -> None:
        self._generator, self._space = networks.generator.eval(), space
        self.latent_dim = networks.latent_dim

    def predict(self, latents: np.ndarray, params: object = None) -> np.ndarray:
        """Generate samples: float32 ``[N, latent_dim]`` -> uint8 ``[N, C, H, W]`` or float32 ``[N, D]``."""
        with torch.inference_mode():
            samples = self._generator(torch.from_numpy(np.ascontiguousarray(latents)))
            return self._space.denormalise(samples).numpy()


def load_generator(path: Path) -> ServedGenerator:
    """Load a run's final generator from the folder where the run keeps it. The weights are read without code."""
    description = json.loads((path / "generator.json").read_text(encoding="utf-8"))
    space = SampleSpace.from_description(description)
    networks: Networks = instantiate(description["model"], sample_shape=space.shape)
    networks.generator.load_state_dict(torch.load(path / "generator.pt", map_location="cpu", weights_only=True))
    return ServedGenerator(networks, space)


def _load_pyfunc(folder: str) -> ServedGenerator:
    """Load a generator from the folder that ``model.log_model`` filled: MLflow's hook."""
    return load_generator(Path(folder))
