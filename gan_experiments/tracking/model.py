"""The final generator as an MLflow model: a traced graph with its weights, and no code of ours or of a user's."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from gan_experiments.data.dataset import Dataset
from gan_experiments.models.networks import Networks
from gan_experiments.tracking.run_directory import RunDirectory

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import Model

MODEL_NAME = "generator"


class ModelFiles:
    """The model's files below artifacts/model, and their delivery.

    Args:
        directory: The run's folder, with the final weights.
        run: Its run.json.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any]) -> None:
        self._directory, self._run = directory, run
        self._path = directory.artifacts / "model"

    def deliver(self, client: MlflowClient, experiment_id: str, run_id: str) -> None:
        """Log the model as an output of the run, once."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        query = f"name = '{MODEL_NAME}' AND source_run_id = '{run_id}'"
        found = client.search_logged_models([experiment_id], filter_string=query)
        model = found[0] if found else client.create_logged_model(experiment_id, MODEL_NAME, run_id)
        shutil.rmtree(self._path, ignore_errors=True)
        identity = Model(
            artifact_path=model.artifact_location, run_id=run_id, model_uuid=model.model_id, model_id=model.model_id
        )
        self._save(identity)
        client.log_model_artifacts(model.model_id, str(self._path))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])

    def _save(self, identity: Model) -> None:
        from mlflow import pytorch as flavor
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        networks: Networks = instantiate(self._run["model"], sample_shape=tuple(self._run["sample_shape"]))
        weights = torch.load(self._directory.generator, map_location="cpu", weights_only=True)
        networks.generator.load_state_dict(weights)
        sampler = Sampler(networks.generator, self._run["is_image"], self._run["scale"])
        kind = np.dtype(np.uint8 if self._run["is_image"] else np.float32)
        flavor.save_model(
            sampler.eval(),
            str(self._path),
            mlflow_model=identity,
            signature=ModelSignature(
                Schema([TensorSpec(np.dtype(np.float32), (-1, networks.latent_dim))]),
                Schema([TensorSpec(kind, (-1, *self._run["sample_shape"]))]),
            ),
            # Two rows: torch.export takes one for a size that never changes.
            input_example=np.zeros((2, networks.latent_dim), np.float32),
            serialization_format="pt2",
            pip_requirements=[f"{package}=={version(package)}" for package in ("mlflow", "torch", "numpy")],
        )


class Sampler(nn.Module):
    """A generator whose samples are in the data's own range.

    Args:
        generator: ``[B, latent_dim]`` -> samples in [-1, 1].
        is_image: Whether the samples are images.
        scale: Of a data set of points.
    """

    def __init__(self, generator: nn.Module, is_image: bool, scale: float) -> None:
        super().__init__()
        self.generator = generator
        kind = torch.uint8 if is_image else torch.float32
        self._data = Dataset("", torch.empty(0, dtype=kind), scale=scale)

    def forward(self, latents: Tensor) -> Tensor:
        """``[B, latent_dim]`` -> uint8 ``[B, C, H, W]`` or float32 ``[B, D]``."""
        return self._data.denormalise(self.generator(latents))
