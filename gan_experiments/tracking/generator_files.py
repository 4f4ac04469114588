"""The final generator in a run's folder, from where it becomes a model in MLflow."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_experiments.data.sample_space import SampleSpace
from gan_experiments.tracking.run_directory import RunDirectory, write_atomically, write_json


def write_generator(
    directory: RunDirectory,
    weights: Mapping[str, Tensor],
    model: dict[str, Any],
    space: SampleSpace,
    conditional: bool = False,
) -> None:
    """Write a run's final generator: its weights, and all that is needed to build it and to interpret its samples.

    Args:
        directory: The run's folder.
        weights: Its state, by name.
        model: The configuration's ``model`` group as plain values.
        space: The shape, the range and the classes of samples.
        conditional: Whether the generator takes labels.
    """
    content = io.BytesIO()
    torch.save({name: value.cpu() for name, value in weights.items()}, content)
    write_atomically(directory.generator / "generator.pt", content.getvalue())
    write_json(
        directory.generator / "generator.json", space.description() | {"model": model, "conditional": conditional}
    )
