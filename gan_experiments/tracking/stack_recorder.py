"""Records the runs that one program trains together, and has them drawn and delivered in the background."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from gan_experiments.tracking.background import Background
from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_events import Ended, Joined, RunEvent
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.system_metrics import SystemMonitor


class StackRecorder:
    """Records one run, or those that pass through the slots of a stack, each in its own folder.

    Args:
        slots: How many runs can train together. They agree in their destination.
        closing: Called with the end of each run when it has been recorded, while its folder is still claimed.
    """

    def __init__(self, slots: int, closing: Callable[[int, Ended], None] = lambda k, end: None) -> None:
        self._slots, self._closing = slots, closing
        self._recorders: dict[int, Recorder] = {}
        self._logs = RunLogs(slots)
        self._background: Background | None = None
        self._system: SystemMonitor | None = None
        self._claimed: Recorder | None = None

    def history(self, k: int) -> list[Line]:
        """Return run ``k``'s metrics of epochs, and scores, up to the step that this process continues from."""
        return self._recorders[k].history()

    def on(self, k: int, event: RunEvent) -> None:
        """Record an event of run ``k``; for a checkpoint, before it is written.

        Raises:
            UserError: Another process is training in the folder of a run that joins; nothing was written.
        """
        if isinstance(event, Joined):
            self._join(k, event)
        elif isinstance(event, Ended):
            self._end(k, event)
        else:
            self._recorders[k].on(event)
        self._logs.on(k, event)

    def _join(self, k: int, event: Joined) -> None:
        """Claim a run's folder, write down what it is, and have it drawn and delivered from now on."""
        self._release()
        recorder = Recorder(event.directory, event.description, event.step)
        recorder.claim()
        try:
            recorder.open(members=self._slots)
            tracking = event.description.tracking
            if tracking.uri is not None or recorder.draws_all:
                if self._background is None:
                    self._background = Background(self._slots, tracking.uri, self._logs.say)
                self._background.add(k, event.directory)
        except BaseException:
            recorder.release()
            raise
        self._recorders[k] = recorder
        if tracking.system_metrics and self._system is None:
            self._system = SystemMonitor(self._record_measurement)
            self._system.start()

    def _end(self, k: int, event: Ended) -> None:
        """Close a run's record. Its folder stays claimed until it is delivered if it trains by itself."""
        recorder = self._recorders[k]
        if self._system is not None:
            with suppress(OSError):
                recorder.record_system_metrics(self._system.measure())
        recorder.on(event)
        self._closing(k, event)
        del self._recorders[k]
        if self._slots == 1:
            self._claimed = recorder
        else:
            recorder.release()

    def _release(self) -> None:
        if self._claimed is not None:
            self._claimed.release()
            self._claimed = None

    def _record_measurement(self, values: dict[str, float]) -> None:
        with suppress(OSError):  # training meets the same full disk, and ends
            for recorder in list(self._recorders.values()):
                recorder.record_system_metrics(values)

    def stop_measuring(self) -> None:
        """Take the last measurement of the machine: for all runs that have not ended."""
        if self._system is not None:
            self._system.stop()
            self._record_measurement(self._system.measure())
            self._system = None

    def unattended(self) -> str:
        """Return a line for a user who does not wait for ``finish``."""
        again = "" if self._background is None else self._background.remedy()
        return f"pictures and delivery go on in the background; to complete them should they break off: {again}"

    def finish(self) -> list[str]:
        """Wait until everything is drawn and delivered, and leave the folders to others.

        Returns:
            Lines saying what is missing and how to complete it.
        """
        self.stop_measuring()
        complaints = [] if self._background is None else self._background.finish()
        self._release()
        return complaints
