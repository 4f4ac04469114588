"""``hydra/launcher=fused``: trains a sweep's runs together.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from gan_experiments.launchers.launcher import SweepLauncher, jobs_in_words
from gan_experiments.tracking.terminal import busy

if TYPE_CHECKING:
    from gan_experiments.launchers.fused.jobs import FusedJobs
    from gan_experiments.sweeps.source import Source

log = logging.getLogger(__name__)


class FusedLauncher(SweepLauncher):
    """Runs the jobs of ``gan_experiments.run`` as one program where possible, and all others one after another.

    Args:
        slots: Most runs that train at once in one program, or ``auto`` for as many as fit into the memory.
        max_members: Most slots where ``slots`` is ``auto``.
        through: Launcher whose jobs such programs are; None to run them in this process.
    """

    def __init__(self, slots: int | str = "auto", max_members: int = 64, through: Launcher | None = None) -> None:
        self._slots, self._through = max_members if slots == "auto" else int(slots), through

    @property
    def has_slots(self) -> bool:
        """Whether runs can leave and join: where programs are jobs of another launcher, they cannot."""
        return self._through is None

    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, together where possible; return what each returned, in their order."""
        log.info(f"Launching {len(jobs)} jobs, together where possible")
        for line in jobs_in_words(jobs):
            log.info(line)
        if self._through is not None:
            from gan_experiments.launchers.fused import on_cluster

            return on_cluster.launch(self._through, self._context, self._task, self._config, self._slots, jobs)
        with busy(f"composing {len(jobs)} runs"):
            fused = self._jobs()
        return fused.run(jobs)

    def follow(self, source: Source) -> None:
        """Train all runs of a source."""
        self._jobs().follow(source)

    def _jobs(self) -> FusedJobs:
        from gan_experiments.launchers.fused.jobs import FusedJobs

        return FusedJobs(self._context, self._task, self._config, self._slots)
