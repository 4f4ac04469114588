"""A new run from the weights of another: ``train.start_from``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from torch import Tensor, nn

from gan_experiments.configuration.instantiate import build_networks
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.models.networks import Networks
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint

_KEY = "train.start_from"


@dataclass(frozen=True)
class StartingWeights:
    """The weights of a run that another starts from.

    Attributes:
        reference: How the user named the run.
        folder: The run's folder.
        step: The step of its checkpoint.
        weights: State of ``generator`` and of ``discriminator``, as trained and not averaged.
    """

    reference: str
    folder: Path
    step: int
    weights: Mapping[str, Mapping[str, Tensor]]

    @classmethod
    def find(cls, reference: str, uri: str | None) -> StartingWeights:
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
        weights = {player: state["step_state"][player] for player in ("generator", "discriminator")}
        return cls(reference, path.parent, state["step"], weights)

    def hand_on(self, networks: Networks) -> None:
        """Put them into the networks of a new run.

        Raises:
            UserError: They do not fit.
        """
        self._load("generator", networks.generator)
        self._load("discriminator", networks.discriminator)

    def _load(self, player: str, network: nn.Module) -> None:
        theirs, ours = self.weights[player], network.state_dict()
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
        directory = RunDirectory(self.folder)
        tags = {"start_from.run_directory": str(directory.path), "start_from.step": str(self.step)}
        run_id = directory.run_id()
        return tags | ({"start_from.run_id": run_id} if run_id is not None else {})


def starting_weights(cfg: DictConfig) -> StartingWeights | None:
    """Return the weights that a new run starts from, or None where it starts from its seed alone.

    Raises:
        UserError: ``train.start_from`` names no run with weights.
    """
    reference = cfg.train.start_from
    return None if reference is None else StartingWeights.find(reference, cfg.tracking.uri)


def new_networks(cfg: DictConfig, dataset: Dataset, weights: StartingWeights | None) -> Networks:
    """Build a run's networks, with the given weights or, without any, drawn from torch's generator.

    Raises:
        UserError: The weights do not fit the networks.
    """
    networks: Networks = build_networks(cfg.model, dataset.sample_shape, dataset.classes)
    if weights is not None:
        weights.hand_on(networks)
    return networks
