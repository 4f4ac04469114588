"""The base of this project's launchers: what each declares, and how it is handed a batch of jobs.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_experiments.tracking.terminal import busy

if TYPE_CHECKING:
    from gan_experiments.sweeps.source import Source

_NAMED = 20
"""Jobs of which a line is printed at most, when a sweep begins."""


@dataclass(frozen=True)
class Choice:
    """The launcher that a command line chooses.

    Attributes:
        group: ``hydra/launcher``, or ``hydra/launcher/through``.
        option: Its name in that group.
        keys: Its settings.
    """

    group: str
    option: str
    keys: Any

    def __str__(self) -> str:
        return f"{self.group}={self.option}"

    def key(self, name: str) -> str:
        """Return the dotted name of one of its settings."""
        return f"{self.group.replace('/', '.')}.{name}"


def jobs_in_words(jobs: Sequence[tuple[int, Sequence[str]]]) -> Iterator[str]:
    """Yield a line for each job, as Hydra's own launcher logs them; of many for the first ones.

    Args:
        jobs: Number and overrides of each.
    """
    for number, overrides in jobs[:_NAMED]:
        yield f"\t#{number} : {' '.join(filter_overrides(overrides))}"
    if len(jobs) > _NAMED:
        yield f"\t… and {len(jobs) - _NAMED} more, to #{jobs[-1][0]}"


class SweepLauncher(Launcher):
    """A launcher of a sweep's jobs.

    Attributes:
        package: Module that must be installed; None for nothing beyond this project.
        extra: The extra of this project that installs it.
    """

    package: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None

    @classmethod
    def check(cls, choice: Choice) -> None:
        """Make sure that the launcher can work on this machine, once its package is known to be here.

        Raises:
            UserError: It cannot.
        """

    @property
    def has_slots(self) -> bool:
        """Whether runs can leave and join while others train; ``follow`` then works."""
        return False

    def follow(self, source: Source) -> None:
        """Train all runs of a source: each when there is a slot for it.

        Raises:
            SystemExit: A signal stopped training, after a checkpoint of every run at work.
        """
        raise NotImplementedError

    @classmethod
    def trains_here(cls, choice: Choice) -> bool:
        """Return whether runs train on the machine that launches them; a cluster's login node has no GPU."""
        return True

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives to every launcher."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; return what each returned, in their order."""
        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        with busy(""):  # the jobs tell of themselves
            return self.run(
                [(number, list(overrides)) for number, overrides in enumerate(job_overrides, initial_job_idx)]
            )

    @abstractmethod
    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs; return what each returned, in their order.

        Args:
            jobs: Number and overrides of each.
        """
