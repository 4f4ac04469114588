"""Do the same for many things, of which some may be broken: those are named in a line each, and the others go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gan_experiments.configuration.command_line import describe
from gan_experiments.errors import RunFailedError
from gan_experiments.tracking.terminal import say


class Complaints:
    """Errors that are no defects of the program, printed where they happen.

    Attributes:
        errors: All of them.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Print an error as one line on stderr, and leave the block; defects pass."""
        try:
            yield
        except Exception as error:
            line = describe(error)
            if line is None:
                raise
            say(f"error: {line}", sys.stderr)
            self.errors.append(error)

    @property
    def status(self) -> int:
        """The exit status: 1 where all errors are failures of runs or trackers, 2 where the user can mend some."""
        return 1 if all(isinstance(error, RunFailedError) for error in self.errors) else 2
