"""The interface behind the journal: what a tracker defines, and how a run's journal is brought to it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gan_experiments.tracking.delivery_errors import GoneError
from gan_experiments.tracking.journal import Line, last_session, read
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_json

if TYPE_CHECKING:
    from gan_experiments.tracking.pictures.gallery import Gallery  # imports numpy, which --help must not wait for

_LINES_A_BATCH = 300


class Tracker(ABC):
    """Delivers one run to one destination, from where it was left.

    A tracker is a module of this folder that names its subclass ``TRACKER``. It serves the destinations
    ``MODULE:…``; those of no other tracker are MLflow's. It defines ``title``, ``check``, ``links``, ``_open``
    and ``_send``, and overrides the rest where it has more to say.

    The run's delivered.json has, for each destination, the byte of the journal up to which everything arrived, and
    whatever else the tracker has to remember. It is written after the destination has confirmed; what lies behind
    it is sent again after a failure, so sending a line twice must do no more than sending it once. What the file says
    is believed only as far as the destination agrees: it may have been emptied, or replaced by another.

    Args:
        directory: The run's folder.
        run: Its run.json.
        uri: The destination, as ``check`` returned it.
        gallery: Renders the pictures; no line is delivered before its pictures are.
        say: Shows a line to the user.

    Attributes:
        answered: When the destination last took something that it had not taken before, on the monotonic clock.
    """

    title: ClassVar[str]
    """The tracker's name, as users know it."""

    def __init__(
        self, directory: RunDirectory, run: dict[str, Any], uri: str, gallery: Gallery, say: Callable[[str], None]
    ) -> None:
        self._directory, self._run, self._uri, self._gallery, self._say = directory, run, uri, gallery, say
        self._is_open = False
        self._taken, self._most_taken = 0, 0  # of the current batch: in this attempt, and in any
        self.answered = 0.0
        self._state: dict[str, Any] = (
            {"position": 0} | directory.delivered_to(uri) | {"experiment": run["experiment"]}
        )

    # The destination.

    @classmethod
    @abstractmethod
    def check(cls, uri: str) -> str:
        """Make sure that a destination can be used, before anything is written, and import nothing slow for it.

        Returns:
            The URI, with an absolute path where it has one: another process will use it in another folder.

        Raises:
            UserError: It cannot; the line begins with ``tracking.uri=…``.
        """

    @classmethod  # noqa: B027
    def check_names(cls, uri: str, experiment: str, tags: Mapping[str, str]) -> None:
        """Make sure that a destination takes the names that a run brings, before anything is written.

        Raises:
            UserError: It never will; the line begins with the key and the value.
        """

    @classmethod
    @abstractmethod
    def links(cls, uri: str, delivered: Sequence[Mapping[str, Any]]) -> Sequence[tuple[str, str]]:
        """Return how people look at runs, whatever folder they are in: commands and addresses.

        Args:
            uri: The destination.
            delivered: What the tracker remembers of each run, ``run_id`` at least.

        Returns:
            Lines, each as a label of at most nine letters and a text.
        """

    @classmethod  # noqa: B027
    def load(cls, uri: str) -> None:
        """Import what talks to a destination, so that the time that this takes does not count against it."""

    @classmethod
    def is_local(cls, uri: str) -> bool:
        """Return whether a destination is a file of this machine: if it takes long to answer, the machine is busy."""
        return True

    @classmethod
    def failures(cls) -> tuple[type[Exception], ...]:
        """Return the errors that mean that a destination is lost, as opposed to one that refuses."""
        return (OSError,)

    # One run, for those who deliver it.

    def send(self) -> bool:
        """Send the next lines of the journal whose pictures are rendered; raise whatever the tracker raises.

        Returns:
            Whether there was anything to send.

        Raises:
            RefusedError: The destination does not take the run.
        """
        self._ensure_open()
        batch = self._next_batch()
        if not batch:
            return False
        self._taken = 0
        try:
            self._send([line for line, _ in batch])
        except GoneError:
            self._is_open = False
            return True
        except Exception:
            self._is_open = False  # what answers next may be another database
            raise
        self._remember(position=batch[-1][1])
        self._most_taken = 0
        return True

    def complete(self) -> str:
        """Send everything, and mark a run as killed whose process died without a word.

        Returns:
            The run's id at the destination.
        """
        while self.send():
            pass
        if not last_session(self._directory.journal)[1]:
            self.end_abandoned()
        return self._state["run_id"]

    def end_abandoned(self) -> None:
        """Mark the run as killed because its process died without a word."""
        self._ensure_open()
        self._gallery.finish()
        self._end_abandoned()

    # One run, for the tracker.

    @abstractmethod
    def _open(self) -> None:
        """Connect; find or create the run at the destination, and remember its id as ``run_id``."""

    @abstractmethod
    def _send(self, lines: list[Line]) -> None:
        """Send lines, with the files that belong to them.

        Changes to ``_state`` are kept together with the position. Call ``_note_answer`` after each thing taken.

        Raises:
            GoneError: The run is no longer there; ``_open`` is called again, and makes it anew.
            RefusedError: The destination does not take the run.
        """

    def _end_abandoned(self) -> None:  # noqa: B027
        """Mark the run as killed, if the tracker shows such a thing; the pictures of the whole run are rendered."""

    def _remember(self, **changes: Any) -> None:
        """Keep changes of ``_state`` in the run's folder."""
        self._state |= changes
        known = read_json(self._directory.delivered) if self._directory.delivered.exists() else {}
        write_json(self._directory.delivered, known | {self._uri: self._state})

    def _forget(self) -> None:
        """Forget all that the destination had, because it no longer has it."""
        self._state = {"position": 0, "experiment": self._run["experiment"]}
        self._remember()

    def _note_answer(self) -> None:
        """Note that something was taken. Only what is new counts: a batch's first part again is no progress."""
        self._taken += 1
        if self._taken > self._most_taken:
            self._most_taken, self.answered = self._taken, time.monotonic()

    def _ensure_open(self) -> None:
        if not self._is_open:
            self._open()
            self._is_open = True

    def _next_batch(self) -> list[tuple[Line, int]]:
        batch = []
        for line, end in read(self._directory.journal, self._state["position"]):
            if end > self._gallery.position or len(batch) == _LINES_A_BATCH:
                break
            batch.append((line, end))
        return batch


def brief(error: Exception) -> str:
    """Return the first line of an error, or of its innermost cause, shortened if it is long."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
