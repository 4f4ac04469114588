"""A new run from the weights of another: ``train.start_from``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import nn

from gan_experiments.configuration.instantiate import build
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.models.networks import Networks
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint

_KEY = "train.start_from"


@dataclass(frozen=True)
class Origin:
    """The run that another starts from.

    Attributes:
        reference: How the user named it.
        path: Its checkpoint.
        state: What the checkpoint holds.
    """

    reference: str
    path: Path
    state: dict[str, Any]

    @classmethod
    def find(cls, reference: str, uri: str | None) -> Origin:
        """Read the checkpoint that a run's folder, a file or an MLflow run id names.

        Raises:
            UserError: There is none, or it holds the generator alone.
        """
        path = find_run(reference, uri).absolute()
        if path.is_dir():
            path = RunDirectory(path).checkpoint
        state = checkpoint.load(path, f"{_KEY}={reference}")
        if "step_state" not in state:
            raise UserError(f"{_KEY}={reference}: holds a generator alone; a run's checkpoint.pt has both networks")
        return cls(reference, path, state)

    def hand_on(self, networks: Networks) -> None:
        """Put its weights, as they were trained and not averaged, into the networks of a new run.

        Raises:
            UserError: They do not fit.
        """
        self._load("generator", networks.generator)
        self._load("discriminator", networks.discriminator)

    def _load(self, player: str, network: nn.Module) -> None:
        theirs, ours = self.state["step_state"][player], network.state_dict()
        for name in [*ours, *theirs]:
            there, here = (list(w[name].shape) if name in w else "not there" for w in (theirs, ours))
            if there != here:
                raise UserError(
                    f"{_KEY}={self.reference}: its {player} does not fit this run's model: "
                    f"{name} is {there} in its checkpoint, and {here} here"
                )
        network.load_state_dict(theirs)

    def tags(self) -> dict[str, str]:
        """Return tags that say where the weights come from: folder, MLflow id and step."""
        directory = RunDirectory(self.path.parent)
        tags = {"start_from.run_directory": str(directory.path), "start_from.step": str(self.state["step"])}
        run_id = directory.run_id()
        return tags | ({"start_from.run_id": run_id} if run_id is not None else {})


def origin_of(cfg: DictConfig) -> Origin | None:
    """Return the run that a new run starts from, or None where it starts from its seed alone.

    Raises:
        UserError: ``train.start_from`` names no run with weights.
    """
    reference = cfg.train.start_from
    return None if reference is None else Origin.find(reference, cfg.tracking.uri)


def new_networks(cfg: DictConfig, dataset: Dataset, origin: Origin | None) -> Networks:
    """Build a run's networks, with the weights of ``origin`` or, without one, drawn from torch's generator.

    Raises:
        UserError: The weights do not fit the networks.
    """
    networks: Networks = build(cfg.model, sample_shape=dataset.sample_shape)
    if origin is not None:
        origin.hand_on(networks)
    return networks
