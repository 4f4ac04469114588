"""What this project takes from Hydra's private modules, but for ``sweep_loader.py``; an upgrade of it begins here."""

from __future__ import annotations

import argparse
import pickle
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from textwrap import indent
from typing import Any

import hydra.version
import yaml
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import _run_hydra, create_config_search_path, get_args_parser
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobRuntime, run_job
from hydra.types import HydraContext, RunMode, TaskFunction
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import OmegaConfDumper

_ORIGIN = "origin"
_alone = threading.RLock()


def flags() -> argparse.ArgumentParser:
    """Return the parser of Hydra's own flags, with the overrides as ``overrides``."""
    return get_args_parser()


def run_hydra(task: TaskFunction, arguments: argparse.Namespace, config_dir: Path) -> None:
    """Do what ``hydra.main`` does, with arguments that are parsed already instead of those in ``sys.argv``.

    Args:
        task: Called once for each run.
        arguments: As ``flags()`` parses them.
        config_dir: The folder of ``config.yaml``.
    """
    if arguments.experimental_rerun is not None:  # the overrides are those of the pickled run
        hydra.main(version_base="1.3", config_path=str(config_dir), config_name="config")(task)()
        return
    hydra.version.setbase("1.3")
    _run_hydra(
        args=arguments, args_parser=flags(), task_function=task, config_path=str(config_dir), config_name="config"
    )


def load(
    name: str, overrides: Sequence[str], config_dir: Path, own_config_dir: str | None, *, several: bool
) -> DictConfig:
    """Compose a configuration as Hydra does for its command, with Hydra's own part.

    Args:
        name: Of the primary configuration.
        overrides: As on the command line.
        config_dir: The folder of options.
        own_config_dir: What ``--config-dir`` names, or None.
        several: Whether it is a sweep's, whose overrides with several values are left out.
    """
    mode = RunMode.MULTIRUN if several else RunMode.RUN
    further = None if own_config_dir is None else Path(own_config_dir)
    return ConfigLoaderImpl(_search_path(config_dir, further)).load_configuration(name, list(overrides), mode)


def _search_path(config_dir: Path, further: Path | None) -> ConfigSearchPath:
    """Return where Hydra looks for options: in the folder that ``--config-dir`` names first, if there is one."""
    path = create_config_search_path(str(config_dir))
    if further is not None:
        path.prepend("command-line", f"file://{further.absolute()}", SearchPathQuery(provider="schema"))
    return path


@contextmanager
def own_globals() -> Iterator[None]:
    """Give Hydra fresh globals within, to one thread at a time, and put back those of the program that calls.

    The program may have initialised Hydra itself, or be inside its own ``hydra.main``. What it has stored in the
    ``ConfigStore`` can be used within; what is stored within is gone afterwards.
    """
    with _alone:
        Plugins.instance()  # stores the plugins' options when it is first asked for, and they are to stay
        kept = {
            kind: Singleton._instances.pop(kind, None)
            for kind in (GlobalHydra, HydraConfig, VersionBase, JobRuntime, ConfigStore)
        }
        try:
            if isinstance(store := kept[ConfigStore], ConfigStore):
                ConfigStore.instance().repo = _branches(store.repo)
            hydra.version.setbase("1.3")
            yield
        finally:
            for kind, instance in kept.items():
                if instance is None:
                    Singleton._instances.pop(kind, None)
                else:
                    Singleton._instances[kind] = instance


def _branches(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: _branches(value) if isinstance(value, dict) else value for name, value in tree.items()}


def compose_run(name: str, overrides: Sequence[str], config_dir: Path, further: Path | None) -> DictConfig:
    """Compose a run as ``run_hydra`` does, Hydra's own part included; call it with ``own_globals``.

    Args:
        name: Of the primary configuration.
        overrides: As on the command line.
        config_dir: The folder of ``config.yaml``.
        further: The folder that ``--config-dir`` names.
    """
    config = Hydra.create_main_hydra2("run", _search_path(config_dir, further)).compose_config(
        name, list(overrides), RunMode.RUN, from_shell=False
    )
    HydraConfig.instance().set_config(config)
    return config


def make_run_folder(config: DictConfig) -> JobReturn:
    """Make a run's folder with the files of ``.hydra``, as Hydra does before it calls a task; call no task.

    Args:
        config: As ``compose_run`` returned it, with the same globals.
    """
    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
    job = run_job(lambda _: None, config, "hydra.run.dir", None, context, configure_logging=False)
    HydraConfig.instance().set_config(config)  # it forgets it
    return job


def show(config: DictConfig) -> None:
    """Make Hydra's configuration that of one job, without the copy that Hydra makes of it."""
    OmegaConf.set_readonly(config.hydra, True)
    HydraConfig.instance().cfg = config  # type: ignore[assignment]


@contextmanager
def shown(config: DictConfig) -> Iterator[None]:
    """Let Hydra's configuration be that of one job."""
    before = HydraConfig.instance().cfg
    show(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def job_files(config: DictConfig) -> dict[str, str]:
    """Return the files that Hydra stores of a job, as text by name: the task's part, its own, the overrides."""
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=False, enum_to_str=True)  # type: ignore[assignment]
    hydra = plain.pop("hydra")
    return {
        "config.yaml": _in_sections(plain),
        "hydra.yaml": f"hydra:\n{indent(_in_sections(hydra), '  ')}",
        "overrides.yaml": _to_yaml(hydra["overrides"]["task"]),
    }


def _in_sections(content: dict[str, Any]) -> str:
    """Write a mapping; most of its parts are those of the job before, and are written once."""
    return "".join(_section(key, pickle.dumps(part)) for key, part in content.items())


@lru_cache(512)
def _section(key: str, part: bytes) -> str:
    return _to_yaml({key: pickle.loads(part)})


def _to_yaml(content: Any) -> str:
    return yaml.dump(content, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper)


class _Dumper(getattr(yaml, "CDumper", yaml.Dumper)):  # type: ignore[misc]
    """Writes as OmegaConf does (text like a number in quotes), by libyaml where it is there."""


_Dumper.add_representer(str, OmegaConfDumper.str_representer)


def remember_origin(cfg: DictConfig, origin: object) -> None:
    """Keep with a configuration what it was made from; copies and merges of it keep it too."""
    vars(cfg._metadata)[_ORIGIN] = origin


def origin_of(cfg: DictConfig) -> Any:
    """Return what ``remember_origin`` kept, or None."""
    return vars(cfg._metadata).get(_ORIGIN)


def sweeps_a_grid(sweeper: DictConfig) -> bool:
    """Return whether a sweeper combines all values, as Hydra's own does, and so has jobs that are known at once."""
    return sweeper._target_.endswith((f".{BasicSweeper.__name__}", ".GridSweeper"))


def to_jobs(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of each job of a grid, in the order of their numbers."""
    (jobs,) = BasicSweeper.split_arguments(list(overrides), None)
    return jobs


def apply_to(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Apply overrides of values, not of options, to a composed configuration."""
    ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)


def error_of(job: JobReturn) -> Any:
    """Return the exception of a failed job, which ``return_value`` would raise."""
    return job._return_value
