"""What lines of a run's journal say together: a request to MLflow takes longer than what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_experiments.tracking.journal import PAUSED, Line
from gan_experiments.tracking.mlflow.names import LONGEST_TAG, allowed_text
from gan_experiments.tracking.mlflow.private_formats import SHOWS_IMAGES


@dataclass(frozen=True)
class Batch:
    """Lines of a run's journal that are sent together.

    Attributes:
        lines: The lines, with what MLflow gets of them.
    """

    lines: Sequence[Line]

    def of(self, *kinds: str) -> list[Line]:
        """Return the lines of some kinds."""
        return [line for line in self.lines if line["kind"] in kinds]

    @property
    def status(self) -> Line | None:
        """The last line that begins or ends a process of the run."""
        return next(reversed(self.of("session", "status")), None)

    @property
    def has_end(self) -> bool:
        """Whether one of the lines says how the run ended."""
        return any(is_end(line) for line in self.lines)

    @property
    def has_scores(self) -> bool:
        """Whether the run was scored."""
        return any(line.get("details") for line in self.lines)

    def params(self) -> dict[str, str]:
        """Return all parameters; the first of a name stays."""
        return {name: value for line in reversed(self.of("params")) for name, value in line["values"].items()}

    def tags(self) -> dict[str, str]:
        """Return all tags; the last of a name stays."""
        found = dict[str, str]()
        for line in self.of("tags", "status"):
            if line["kind"] == "tags":
                found |= line["values"] | SHOWS_IMAGES
            else:
                found["status_reason"] = allowed_text(line["reason"], LONGEST_TAG)
        return found


def is_end(line: Line) -> bool:
    """Return whether a line says how the run ended; one that is paused may go on."""
    return line["kind"] == "status" and line["status"] != PAUSED
