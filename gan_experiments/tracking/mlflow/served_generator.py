"""Loads a generator that was logged as an MLflow model; travels in the model's own code folder."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import get_object, instantiate

from gan_experiments.data.sample_space import SampleSpace
from gan_experiments.models.networks import Networks, apply


class ServedGenerator:
    """Draws samples in the data's own range.

    Args:
        networks: The pair of networks, the generator with its final weights.
        space: The shape and the range of a sample.

    Attributes:
        latent_dim: Dimension of z.
        classes: Number of classes of a conditional generator, else None.
    """

    def __init__(self, networks: Networks, space: SampleSpace) -> None:
        self._generator, self._space = networks.generator.eval(), space
        self.latent_dim, self.classes = networks.latent_dim, networks.classes

    def load(self, path: Path) -> None:
        """Take the weights that a run keeps in a folder; they are read without code."""
        self._generator.load_state_dict(torch.load(path / "generator.pt", map_location="cpu", weights_only=True))

    def predict(self, inputs: np.ndarray | Mapping[str, np.ndarray], params: object = None) -> np.ndarray:
        """Generate samples: uint8 ``[N, C, H, W]`` or float32 ``[N, D]``.

        Args:
            inputs: Latents, float32 ``[N, latent_dim]``; for a conditional generator a mapping of ``latents`` and
                ``labels``, int64 ``[N]``.
            params: Ignored: MLflow's.

        Raises:
            ValueError: A label is missing or outside the classes.
        """
        latents, labels = (inputs["latents"], inputs["labels"]) if isinstance(inputs, Mapping) else (inputs, None)
        if self.classes is not None and (labels is None or len(labels) != len(latents)):
            raise ValueError(f"labels: there must be one for each of the {len(latents)} latents")
        if labels is not None and not ((labels >= 0) & (labels < (self.classes or 0))).all():
            raise ValueError(f"labels: must be from 0 to {(self.classes or 0) - 1}")
        with torch.inference_mode():
            y = None if labels is None else torch.from_numpy(np.ascontiguousarray(labels))
            samples = apply(self._generator, torch.from_numpy(np.ascontiguousarray(latents)), y)
            return self._space.denormalise(samples).numpy()


def load_generator(path: Path) -> ServedGenerator:
    """Load a run's final generator from the folder where the run keeps it. The weights are read without code."""
    generator = build_generator(read_description(path))
    generator.load(path)
    return generator


def read_description(path: Path) -> dict[str, Any]:
    """Read what is needed to build the generator in a folder, and to interpret its samples."""
    return json.loads((path / "generator.json").read_text(encoding="utf-8"))


def build_generator(description: dict[str, Any]) -> ServedGenerator:
    """Return a generator by its description, with first weights."""
    space, model = SampleSpace.from_description(description), description["model"]
    takes_classes = "classes" in inspect.signature(get_object(model["_target_"])).parameters
    offered = {"classes": space.classes} if takes_classes else {}
    return ServedGenerator(instantiate(model, sample_shape=space.shape, **offered), space)


def _load_pyfunc(folder: str) -> ServedGenerator:
    """Load a generator from the folder that ``model.log_model`` filled: MLflow's hook."""
    return load_generator(Path(folder))
