"""One run: its configuration, and the data, networks and checkpoint that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.instantiate import build
from gan_experiments.configuration.schema import TrackingConfig, TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.data.load import load_data
from gan_experiments.runs.resume import state_to_resume
from gan_experiments.runs.start_from import StartingWeights, new_networks, starting_weights
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.metadata import RunDescription
from gan_experiments.tracking.naming import run_name
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training.device import resolve_device
from gan_experiments.training.member import Member


class Run:
    """One run, of which each part is loaded when it is first asked for: data, networks, checkpoint.

    Args:
        cfg: Its composed and validated configuration.
        run_dir: Its folder.
        overrides: The user's overrides, as Hydra lists them.
        name: Its name where ``tracking.run_name`` is null; by default generated from the overrides.
        tags: More tags for MLflow.
        rungs: Epochs after each of which it is scored, and may be asked to leave its slot.

    Attributes:
        cfg: The configuration as given.
        config: The configuration as plain values.
        overrides: The overrides as given.
        tracking: The ``tracking`` group, with an absolute URI.
        directory: The folder.

    Raises:
        UserError: Something that the configuration asks for is not available. Loading a part may raise it too.
    """

    def __init__(
        self,
        cfg: DictConfig,
        run_dir: Path,
        overrides: Sequence[str],
        name: str | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
        rungs: Sequence[int] = (),
    ) -> None:
        self.cfg, self.overrides = cfg, overrides
        self.config = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
        self.tracking = cast(TrackingConfig, OmegaConf.to_object(cfg.tracking))
        if self.tracking.uri is not None:
            self.tracking.uri = check_uri(self.tracking.uri)
        self.tracking.tags = {**tags, **self.tracking.tags}
        self.directory = RunDirectory(run_dir)
        self._name, self._rungs = name, rungs

    def load(self) -> None:
        """Load all parts now, so that whatever is wrong with this run shows before others depend on it."""
        _ = self.state, self.device, self.dataset, self.member

    @cached_property
    def state(self) -> dict[str, Any] | None:
        """The checkpoint to resume from, or None for a new run."""
        return state_to_resume(self.cfg, self.directory.path)

    def forget_state(self) -> None:
        """Free the checkpoint's memory, once training has taken it over."""
        vars(self)["state"] = None

    @property
    def step(self) -> int:
        """The step to resume from."""
        return 0 if self.state is None else self.state["step"]

    @cached_property
    def device(self) -> torch.device:
        """The device to train on."""
        return resolve_device(self.cfg.device)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set; runs that name the same one share it."""
        return load_data(self.cfg.data)

    @cached_property
    def starting_weights(self) -> StartingWeights | None:
        """The weights that a new run starts from; None where there are none, and for a run that is resumed."""
        return None if self.state is not None else starting_weights(self.cfg)

    @cached_property
    def member(self) -> Member:
        """Networks, initialised from the run's own seed, losses and settings, as training wants them."""
        train = cast(TrainConfig, OmegaConf.to_object(self.cfg.train))
        torch.manual_seed(self.cfg.seed)
        networks = new_networks(self.cfg, self.dataset, self.starting_weights)
        terms = (build(self.cfg[group]) for group in ("objective", "penalty", "augment"))
        return Member(networks, train, self.cfg.seed, *terms, rungs=self._rungs)

    @property
    def name(self) -> str:
        """The run's name."""
        plain = f"{self.dataset.name} {self.cfg.model.get('name', 'model')}"
        return self.tracking.run_name or self._name or run_name(self.overrides, plain)

    def description(self, total_steps: int) -> RunDescription:
        """Describe the run for its record; ``total_steps`` is its length."""
        weights = self.starting_weights
        return RunDescription(
            name=self.name,
            config=self.config,
            tracking=replace(self.tracking, tags=self.tracking.tags | (weights.tags() if weights else {})),
            dataset=self.dataset,
            overrides=self.overrides,
            device=_device_name(self.device),
            total_steps=total_steps,
            conditional=self.member.networks.classes is not None,
            rungs=self._rungs,
        )


def _device_name(device: torch.device) -> str:
    """Return the device and, for a GPU, its model: ``cuda:0 (NVIDIA H100 80GB HBM3)``."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
