"""Checks whether the chosen launcher can work here; each launcher declares what it needs (``SweepLauncher``)."""

from __future__ import annotations

from importlib.util import find_spec

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gan_experiments.errors import UserError
from gan_experiments.launchers.launcher import Choice, SweepLauncher


def check(hydra: DictConfig) -> None:
    """Make sure that the launcher of a sweep can work on this machine.

    Args:
        hydra: Hydra's part of the configuration.

    Raises:
        UserError: It cannot.
    """
    choice = _choice(hydra)
    launcher = _declaration(choice)
    if launcher.package is not None and not _is_installed(launcher.package):
        raise UserError(f"{choice}: is not installed; pip install 'gan-experiments[{launcher.extra}]'")
    launcher.check(choice)


def trains_here(hydra: DictConfig) -> bool:
    """Return whether runs train on the machine that launches them.

    Args:
        hydra: Hydra's part of the configuration.
    """
    choice = _choice(hydra)
    return _declaration(choice).trains_here(choice)


def has_slots(hydra: DictConfig) -> bool:
    """Return whether runs can join and leave while others train, in the process of the launcher.

    Args:
        hydra: Hydra's part of the configuration.
    """
    follows = _declaration(_choice(hydra)).follow is not SweepLauncher.follow
    return follows and hydra.launcher.get("through") is None


def _choice(hydra: DictConfig) -> Choice:
    """Return the launcher that starts processes, if one does: with ``through`` it is not ``fused`` itself."""
    if hydra.launcher is None:
        raise UserError("hydra.launcher=null: must be the keys of a launcher; hydra/launcher=basic is the default")
    through = hydra.runtime.choices.get("hydra/launcher/through")
    if through:
        return Choice("hydra/launcher/through", through, hydra.launcher.through)
    return Choice("hydra/launcher", hydra.runtime.choices["hydra/launcher"], hydra.launcher)


def _declaration(choice: Choice) -> type[SweepLauncher]:
    """Return the launcher's class; a launcher that is not of this project needs nothing that is known here."""
    for launcher in Plugins.instance().discover(Launcher):
        if f"{launcher.__module__}.{launcher.__qualname__}" == choice.keys._target_:
            return launcher if issubclass(launcher, SweepLauncher) else SweepLauncher
    return SweepLauncher


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
