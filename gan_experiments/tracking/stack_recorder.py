"""Records the runs that one program trains together, and has them drawn and delivered in the background."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress

from gan_experiments.tracking.background import Background, sync_command
from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_events import Ended, RunEvent
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.system_metrics import SystemMonitor


class StackRecorder:
    """Records one run, or the members of a stack, each in its own folder.

    Args:
        recorders: The recorder of each run. They agree in destination and length.
    """

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders
        self._open = set(range(len(recorders)))
        self._system: SystemMonitor | None = None

    def open(self) -> None:
        """Claim the folders, write down the runs' descriptions, and start the background processes.

        Raises:
            UserError: Another process is training in one of the folders; nothing was written.
        """
        with ExitStack() as claims:
            for recorder in self._recorders:
                recorder.claim()
                claims.callback(recorder.release)
            claims.pop_all()
        for recorder in self._recorders:
            recorder.open(members=len(self._recorders))
        tracking = self._recorders[0].run.tracking
        directories = [recorder.directory for recorder in self._recorders]
        self._background = Background(directories, tracking.uri, RunLogs(directories).say)
        if tracking.system_metrics:
            self._system = SystemMonitor(self._record_system_metrics)
            self._system.start()

    def _record_system_metrics(self, values: dict[str, float]) -> None:
        with suppress(OSError):  # training meets the same full disk, and ends
            for recorder in self._recorders:
                recorder.record_system_metrics(values)

    def history(self, k: int) -> list[Line]:
        """Return run ``k``'s metrics of epochs, and scores, up to the step that this process continues from."""
        return self._recorders[k].history()

    def on(self, k: int, event: RunEvent) -> None:
        """Record an event of run ``k``; for a checkpoint, before it is written."""
        if isinstance(event, Ended):
            if self._open == {k}:
                self.stop_measuring()
            self._open.discard(k)
        self._recorders[k].on(event)

    def stop_measuring(self) -> None:
        """Take the last measurement of the machine: for all runs that have not ended."""
        if self._system is not None:
            self._system.stop()
            self._system = None

    def unattended(self) -> str:
        """Return a line for a user who does not wait for ``finish``."""
        again = sync_command(*(recorder.directory.path for recorder in self._recorders))
        return f"pictures and delivery go on in the background; to complete them should they break off: {again}"

    def finish(self) -> list[str]:
        """Wait until everything is drawn and delivered, and leave the folders to others.

        Returns:
            Lines saying what is missing and how to complete it.
        """
        complaints = self._background.finish()
        for recorder in self._recorders:
            recorder.release()
        return complaints
