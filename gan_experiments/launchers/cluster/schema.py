"""Keys of ``hydra/launcher=submitit_local`` and ``submitit_slurm``; meanings and defaults are in their YAML files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

_TARGET = "hydra_plugins.gan_experiments_submitit_launcher.launcher."


@dataclass
class LocalSchema:
    """Keys of ``submitit_local``."""

    _target_: str = f"{_TARGET}LocalLauncher"
    submitit_folder: str = MISSING
    name: str = MISSING
    timeout_min: int = MISSING
    max_num_timeout: int = MISSING
    signal_delay_s: int = MISSING
    gpus_per_node: int | None = None
    setup: list[str] | None = None
    stderr_to_stdout: bool = False


@dataclass
class SlurmSchema(LocalSchema):
    """Keys of ``submitit_slurm``."""

    _target_: str = f"{_TARGET}SlurmLauncher"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    comment: str | None = None
    array_parallelism: int = MISSING
    cpus_per_task: int = MISSING
    mem_gb: float | None = None
    mem_per_cpu: str | None = None
    mem_per_gpu: str | None = None
    gpus_per_task: int | None = None
    cpus_per_gpu: int | None = None
    gres: str | None = None
    additional_parameters: dict[str, Any] = MISSING
    srun_args: list[str] | None = None


def register() -> None:
    """Register the schemas with Hydra; the launchers' YAML files name them in their defaults lists."""
    for name, schema in (("schema_submitit_local", LocalSchema), ("schema_submitit_slurm", SlurmSchema)):
        ConfigStore.instance().store(name=name, node=schema, package="hydra.launcher")
