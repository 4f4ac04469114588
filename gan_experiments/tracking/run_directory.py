"""The layout of a run's folder, and safe ways to write files there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from gan_experiments.errors import UserError

_OF_A_RUN = ("run.json", "journal.jsonl", "job.json")
"""A folder with any of these files is a run's."""
_INSIDE = (".hydra", "artifacts", "generator", "generators", "proof", "samples")
"""Folders in a run's folder that hold no other run."""


class RunDirectory:
    """A run's folder: the truth about the run, of which trackers get a copy.

    Args:
        path: The folder, as Hydra made it; it need not exist yet.

    Attributes:
        path: The folder, absolute.
        journal: Everything that happened, one JSON object a line.
        losses: Loss of D and of G at every step: float32 pairs, step ``s`` at byte ``8 * (s - 1)``.
        chain: Digests of all that was trained and written, one JSON object a line.
        checkpoint: The state from which training continues.
        proof: States like the checkpoint's from which a part of the training can be repeated.
        generators: Weights of the generator over time, one file a checkpoint at an epoch's end.
        best_generator: Weights of the generator with the best score, with ``train.keep_best``.
        samples: Drawn samples as arrays, one ``.npy`` for each time.
        real_points: Some of the data set's samples, where they are points.
        generator: The final generator's weights and description, as they go into the MLflow model.
        config: The composed configuration, with nothing left to resolve.
        artifacts: Files for MLflow, in the layout that they have there.
        run: The run's identity: name, experiment, destination.
        delivered: How far delivery to each destination has come.
        log: Messages of the background process; empty unless something went wrong.
        run_log: Hydra's log of the run, with every line that was said about it.
        stop: Asks the process that trains to end the run, with a checkpoint; it removes the file.
        lock: Held by the process that trains.
        delivery_lock: Held by the process that delivers.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.journal = self.path / "journal.jsonl"
        self.losses = self.path / "losses.f32"
        self.chain = self.path / "chain.jsonl"
        self.checkpoint = self.path / "checkpoint.pt"
        self.proof = self.path / "proof"
        self.generators = self.path / "generators"
        self.best_generator = self.generators / "best.pt"
        self.samples = self.path / "samples"
        self.real_points = self.samples / "real.npy"
        self.generator = self.path / "generator"
        self.artifacts = self.path / "artifacts"
        self.config = self.artifacts / "config" / "config.yaml"
        self.run = self.path / "run.json"
        self.delivered = self.path / "delivered.json"
        self.log = self.path / "tracking.log"
        self.run_log = self.path / "run.log"
        self.stop = self.path / "stop"
        self.lock = self.path / ".lock"
        self.delivery_lock = self.path / ".delivery.lock"

    @classmethod
    def of_a_run(cls, path: str | Path) -> RunDirectory:
        """Return the folder of a run that was started before.

        Raises:
            UserError: There is no run in ``path``.
        """
        directory = cls(path)
        for file in (directory.run, directory.journal):
            if not file.is_file():
                raise UserError(f"{path} is not the folder of a run: it has no {file.name}")
        return directory

    def generator_after(self, epoch: int) -> Path:
        """Return the file of the generator after an epoch, whether or not it was kept."""
        return self.generators / f"epoch-{epoch:04d}.pt"

    def kept_generators(self) -> list[Path]:
        """Return the files of the generators that were kept after epochs, in the order of these."""
        return sorted(self.generators.glob("epoch-*.pt"), key=epoch_of)

    def state_after(self, step: int) -> Path:
        """Return the file of the whole state after a step, whether or not it was kept."""
        return self.proof / f"state-{step:08d}.pt"

    def kept_states(self) -> list[Path]:
        """Return the files of the states that were kept, in the order of their steps."""
        return sorted(self.proof.glob("state-*.pt"), key=step_of)

    def weights(self) -> list[Path]:
        """Return all files with weights that are there, and what says how to build the served generator."""
        folders = (self.generators, self.proof)
        inside = (file for folder in folders for file in sorted(folder.glob("*.pt")))
        return [*filter(Path.is_file, (self.checkpoint, *self.served_generator())), *inside]

    def served_generator(self) -> tuple[Path, Path]:
        """Return the files of the final generator: its weights, and what builds it."""
        return self.generator / "generator.pt", self.generator / "generator.json"

    def name_of(self, file: Path) -> str:
        """Return a file's name as it stands in the chain: its path in the folder, with slashes."""
        return file.relative_to(self.path).as_posix()

    def run_id(self) -> str | None:
        """Return MLflow's id of the run at its own destination, or None where it has none yet."""
        delivery = self.delivery()
        return None if delivery is None else delivery["run_id"]

    def delivery(self) -> dict[str, Any] | None:
        """Return what the tracker remembers of the run at its own destination; None where it has no id there yet."""
        found = self.delivered_to(read_json(self.run)["uri"]) if self.run.is_file() else {}
        return found if "run_id" in found else None

    def is_delivered(self, uri: str) -> bool:
        """Tell whether everything that the journal has so far has reached a destination."""
        return self.delivered_to(uri).get("position", 0) == self.journal.stat().st_size

    def delivered_to(self, uri: str | None) -> dict[str, Any]:
        """Return what a tracker remembers of a destination; nothing, where that was for another experiment."""
        known = read_json(self.delivered).get(uri, {}) if uri is not None and self.delivered.is_file() else {}
        experiment = read_json(self.run)["experiment"]
        return known if known.get("experiment", experiment) == experiment else {}

    def draw_all(self) -> None:
        """Have all pictures of the run drawn, also those of earlier steps, and everything delivered again."""
        run = read_json(self.run)
        if run.get("pictures", "all") != "all":
            write_json(self.run, run | {"pictures": "all"})
            self.send_again()

    def send_again(self) -> None:
        """Have everything delivered again, wherever a part of it is: what is there replaces itself."""
        if self.delivered.is_file():
            known = read_json(self.delivered)
            write_json(self.delivered, {uri: each | {"position": 0} for uri, each in known.items()})

    def change_experiment(self, name: str) -> None:
        """Have the run recorded in another experiment from now on; what is in the one so far stays as it is."""
        run = read_json(self.run)
        if self.delivered.is_file():
            so_far = {"experiment": run["experiment"]}
            write_json(self.delivered, {uri: so_far | each for uri, each in read_json(self.delivered).items()})
        write_json(self.run, run | {"experiment": name})


def folders_below(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield a folder and all below it with the names of their files, but not what lies inside a run's folder."""
    for path, folders, files in os.walk(folder):
        names = {*files}
        if not names.isdisjoint(_OF_A_RUN):
            folders[:] = [name for name in folders if name not in _INSIDE]
        yield Path(path), names


def epoch_of(generator: Path) -> int:
    """Return the epoch after which a generator was kept, from its file's name."""
    return int(generator.stem.removeprefix("epoch-"))


def step_of(state: Path) -> int:
    """Return the step after which a state was kept, from its file's name."""
    return int(state.stem.removeprefix("state-"))


def is_held(lock: Path) -> bool:
    """Tell whether a process holds a folder's lock."""
    if not lock.exists():
        return False
    try:
        with filelock.FileLock(lock, timeout=0):
            return False
    except filelock.Timeout:
        return True


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in ``path``."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_atomically(path: Path, content: bytes, *, settled: bool = True) -> None:
    """Write ``path`` so that no reader ever sees a part of it.

    A process that dies while it writes leaves a temporary file, which the next one to write ``path`` overwrites.

    Args:
        path: The file.
        content: What it has from now on.
        settled: Whether that holds after a power cut too, which takes long; else the file may be empty then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        if settled:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object atomically."""
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
