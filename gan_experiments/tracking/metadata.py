"""Describes a run: its configuration, its origin, its data."""

from __future__ import annotations

import getpass
import platform
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.mlflow.private_formats import COMMIT, SOURCE_NAME, SOURCE_TYPE, USER

if TYPE_CHECKING:
    from gan_experiments.configuration.schema import TrackingConfig
    from gan_experiments.data.dataset import Dataset

_PACKAGES = ("torch", "torchvision", "mlflow", "hydra-core", "numpy", "gan-experiments")
_DIGEST_LENGTH = 36  # MLflow's limit: 144 bits of a SHA-256


@dataclass(frozen=True)
class RunDescription:
    """Everything that is known about a run before it starts.

    Attributes:
        name: The run's name.
        config: The whole composed configuration as plain values.
        tracking: Its ``tracking`` group, with an absolute URI (``check_uri``), or None for no delivery.
        dataset: The data set that it learns.
        overrides: The user's overrides, as Hydra lists them.
        device: The device that the run computes on.
        total_steps: Steps of the whole run.
        conditional: Whether its networks take labels.
        rungs: Epochs after each of which it is scored, and decided whether it goes on; empty for none.
    """

    name: str
    config: dict[str, Any]
    tracking: TrackingConfig
    dataset: Dataset
    overrides: Sequence[str]
    device: str
    total_steps: int
    conditional: bool = False
    rungs: Sequence[int] = ()

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return int(self.config["train"]["epochs"])


def flatten(config: dict[str, Any]) -> dict[str, str]:
    """Return all values of a nested configuration by their dotted keys, written in YAML's flow style."""
    return {key: _plain(value) for key, value in leaves(config).items()}


def leaves(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return all values of a nested configuration by their dotted keys, as they are."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= leaves(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def origin(overrides: Sequence[str], device: str, run_directory: Path) -> dict[str, str]:
    """Return tags that say what was run, where, and with which versions."""
    own = {"overrides": " ".join(overrides), "device": device, "run_directory": str(run_directory)}
    return {**own, **_of_this_process(), **commit()}


@cache
def _of_this_process() -> Mapping[str, str]:
    """Return tags that all runs of this process have."""
    import torch

    tags = {
        "host": socket.gethostname(),
        "version.cuda": torch.version.cuda or "none",
        USER: user(),
        SOURCE_TYPE: "LOCAL",
        SOURCE_NAME: "gan_experiments.run",
    }
    return MappingProxyType(tags | {f"version.{package}": number for package, number in versions().items()})


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of Python and of the packages that matter, by name."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):  # a source tree on the path
            found[package] = version(package)
    return MappingProxyType(found)


def user() -> str:
    """Return the name of the user who runs this."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"


def commit() -> Mapping[str, str]:
    """Return the commit of the working directory's repository, or else of this package's own.

    A process asks git once, as one command has one state of the code, until ``ask_git_again``.
    """
    return _commit(Path.cwd())


def ask_git_again() -> None:
    """Have git asked again for the next run: between the runs of a notebook, its user may commit."""
    _commit.cache_clear()


@cache
def _commit(working_directory: Path) -> Mapping[str, str]:
    for folder in (working_directory, Path(__file__).parent):
        commit = git(folder, "rev-parse", "HEAD")
        if commit:
            changes = git(folder, "status", "--porcelain", "--untracked-files=no")
            dirty = "unknown" if changes is None else str(bool(changes)).lower()
            return MappingProxyType({COMMIT: commit, "git.dirty": dirty})
    return MappingProxyType({})


def git(folder: Path, *arguments: str) -> str | None:
    """Return git's answer, or None where git is not installed, takes too long, or fails for this folder."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=2, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.decode(errors="surrogateescape").strip()


def describe(dataset: Dataset) -> dict[str, Any]:
    """Describe a data set as MLflow's logged input: name, digest, source, and the form of its samples."""
    return {
        "name": dataset.name,
        "digest": dataset.digest[:_DIGEST_LENGTH],
        "source": dataset.source,
        "samples": len(dataset),
        "sample_shape": list(dataset.sample_shape),
        "dtype": str(dataset.samples.dtype).removeprefix("torch."),
        "scale": dataset.scale,
    }
