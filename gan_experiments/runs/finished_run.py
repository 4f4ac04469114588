"""A run that has trained, as Python sees it: its configuration, its metrics, and samples from its generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gan_experiments.configuration.command_line import user_error
from gan_experiments.errors import UserError
from gan_experiments.runs.origin import Origin
from gan_experiments.runs.saved_networks import SavedGenerator, load_state
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.run_directory import RunDirectory

if TYPE_CHECKING:
    from pandas import DataFrame

STEPS = 10
"""Samples from one end of an interpolation to the other."""


class FinishedRun:
    """A run in its folder: one that has trained, or trains elsewhere and has made a checkpoint.

    Args:
        directory: Its folder.

    Attributes:
        files: The layout of the folder.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.files = directory

    def __repr__(self) -> str:
        return f"FinishedRun({str(self.directory)!r})"

    @property
    def directory(self) -> Path:
        """The folder, absolute."""
        return self.files.path

    @property
    def id(self) -> str | None:
        """MLflow's id of the run, or None where MLflow does not have it."""
        return self.files.run_id()

    @property
    def config(self) -> DictConfig:
        """The composed configuration, a copy; changed or not, it can be trained again as a new run."""
        origin = Origin.of_run(self.directory)
        if origin is None or (origin.config_dir is not None and not origin.config_dir.is_dir()):
            return OmegaConf.create(self.plain_config)
        with user_error():
            # Typed, and with the keys that are new since the run was trained; the values are the run's own.
            cfg = OmegaConf.merge(origin.compose(), self.plain_config, {"train": {"resume": None}})
        assert isinstance(cfg, DictConfig)
        return origin.mark(cfg)

    @property
    def plain_config(self) -> dict[str, Any]:
        """The composed configuration as plain values."""
        return yaml.safe_load(self.files.config.read_text(encoding="utf-8"))

    def metrics(self) -> DataFrame:
        """Return the metrics of every epoch: a row an epoch, a column a metric, scores where there were any."""
        from pandas import DataFrame, Index

        rows: dict[float, dict[str, float]] = {}
        for line, _ in read(self.files.journal):
            if line["kind"] == "metrics" and line["key"] == "epoch":
                rows[line["epoch"]] = {"step": line["step"]} | line["values"] | rows.get(line["epoch"], {})
            elif line["kind"] == "metrics" and "details" in line:
                rows.setdefault(line["epoch"], {}).update(line["values"])
        epochs = sorted(rows)
        # A run that was stopped within an epoch may have been scored there.
        index = [int(epoch) if epoch == int(epoch) else epoch for epoch in epochs]
        frame = DataFrame([rows[epoch] for epoch in epochs], index=Index(index, name="epoch"))
        return frame.drop(columns="epoch", errors="ignore")

    def sample(
        self, count: int = 64, seed: int = 0, epoch: int | None = None, label: int | str | None = None
    ) -> np.ndarray:
        """Draw samples, as ``python -m gan_experiments.sample`` does.

        Args:
            count: How many.
            seed: Seed of the latents, and of whatever else a generator of one's own draws.
            epoch: The generator after this epoch; by default, that of the last checkpoint.
            label: For a conditional run, the class of all samples, by its number or name; by default each in turn.

        Returns:
            uint8 ``[count, C, H, W]`` for images, float32 ``[count, D]`` for points.

        Raises:
            UserError: ``count`` or ``seed`` is out of range, or there is no such checkpoint or class.
        """
        _check(count, seed)
        return draw_samples(self.generator(epoch), count, seed, label)

    def interpolations(
        self, rows: int = 8, seed: int = 0, epoch: int | None = None, label: int | str | None = None
    ) -> np.ndarray:
        """Draw rows of ten samples, each of which leads from one sample to the next.

        Args:
            rows: How many.
            seed: As for ``sample``: the rows connect the samples that it draws.
            epoch: As for ``sample``.
            label: As for ``sample``; by default a class a column.

        Returns:
            An array ``[10 * rows, …]``, one row after another.

        Raises:
            UserError: ``rows`` or ``seed`` is out of range, or there is no such checkpoint or class.
        """
        _check(rows, seed)
        return draw_interpolations(self.generator(epoch), rows, seed, label)

    def generator(self, epoch: int | None = None) -> SavedGenerator:
        """Load the generator that ``sample`` draws from, with averaged weights where the run has them.

        Raises:
            UserError: There is no such checkpoint.
        """
        with user_error():
            return SavedGenerator(load_state(self.files, epoch))


def draw_samples(generator: SavedGenerator, count: int, seed: int, label: int | str | None) -> np.ndarray:
    """Draw what ``FinishedRun.sample`` returns, from a generator that is loaded already."""
    latents = _latents(count, generator.latent_dim, seed)
    return generator.draw(latents, seed, _label(generator, label)).numpy()


def draw_interpolations(generator: SavedGenerator, rows: int, seed: int, label: int | str | None) -> np.ndarray:
    """Draw what ``FinishedRun.interpolations`` returns, from a generator that is loaded already."""
    latents = interpolate(_latents(rows + 1, generator.latent_dim, seed), STEPS)
    return generator.draw(latents, seed, _label(generator, label)).numpy()


def interpolate(ends: Tensor, steps: int) -> Tensor:
    """Return latents on great circles from each row of ``ends`` to the next: ``[(n - 1) * steps, latent_dim]``.

    Spherical interpolation (White, "Sampling Generative Networks", 2016): normal latents lie near a sphere, and
    the straight line between two of them leaves it.
    """
    first, second = ends[:-1, None], ends[1:, None]
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=-1).clamp(-1, 1)
    angle = torch.arccos(cosine).unsqueeze(-1).clamp_min(1e-6)
    t = torch.linspace(0, 1, steps)[:, None]
    path = (torch.sin((1 - t) * angle) * first + torch.sin(t * angle) * second) / torch.sin(angle)
    return path.flatten(0, 1)


def _latents(count: int, latent_dim: int, seed: int) -> Tensor:
    return torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(seed))


def _label(generator: SavedGenerator, label: int | str | None) -> int | None:
    if label is None:
        return None
    if generator.classes is None:
        raise UserError(f"class {label}: must not be given; this run's generator takes no labels (model.condition)")
    return generator.space.label_of(str(label))


def _check(count: int, seed: int) -> None:
    if count < 1:
        raise UserError(f"count {count}: must be at least 1")
    if not 0 <= seed < 2**63:
        raise UserError(f"seed {seed}: must be at least 0 and below 2**63")
