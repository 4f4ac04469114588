"""The networks of a run that has trained, read from its folder."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from gan_experiments.configuration.instantiate import build
from gan_experiments.errors import UserError
from gan_experiments.models.networks import Networks
from gan_experiments.tracking.run_directory import RunDirectory, epoch_of
from gan_experiments.training import checkpoint


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
        raise UserError(f"--epoch {epoch}: there is no checkpoint of that epoch; there are {kept or 'none'}")
    return checkpoint.load(path)


def load_networks(state: dict[str, Any]) -> Networks:
    """Build a checkpoint's networks on the CPU, with the trained generator (its average, where the run has one)."""
    networks: Networks = build(DictConfig(state["config"]["model"]), sample_shape=state["sample_shape"])
    whole = state.get("step_state", state)
    networks.generator.load_state_dict(whole["generator"] | whole.get("generator_average", {}))
    networks.generator.eval()
    return networks
