"""What a run costs beside its training: processor seconds of all processes of whole commands, their time and memory.

It needs nothing of the package but its command: this folder, copied into an older checkout, measures that one.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from gan_experiments.benchmark.commands import TIMEOUT, started
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.report import CPU, EACH, MEMORY, SECONDS, Row
from gan_experiments.benchmark.timing import Spread

SIZES = {"fused": (8, 64, 256), "basic": (2, 6), "joblib": (2, 6)}
"""Runs in the sweeps of each launcher; ``--members`` bounds them."""
TRACKING = ("off", "local")
_RUN = (
    *("data=ring", "data.samples=10000", "model=mlp", "model.latent_dim=2", "model.generator_widths=[8]"),
    *("model.discriminator_widths=[8]", "train=article", "train.batch_size=100", "train.epochs=2", "evaluate=off"),
)
"""200 steps of networks of 8 units, whose training costs next to nothing."""
_LAUNCHERS = {"fused": (), "basic": (), "joblib": ("hydra.launcher.n_jobs=2",)}
_POLL = 0.2
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl


@dataclass(frozen=True)
class Spent:
    """What a command has used, with all processes that it started.

    Attributes:
        cpu: Processor seconds, of users and of the system.
        seconds: From the command to the prompt.
        memory: Most megabytes that its processes had in memory at one moment, pages that they share counted for each.
    """

    cpu: float
    seconds: float
    memory: float


def measure(plan: Plan) -> list[Row]:
    """Measure a run by itself and sweeps of several sizes, on each launcher, with and without tracking in MLflow.

    A database is made before, and each command begins with an empty one.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        empty = Path(folder)
        spend(plan, empty, [*_command(), "train.epochs=1", "tracking=local"], "makes a database")
        for what in (f"tracking={option}" for option in TRACKING):
            rows += _rows(f"a run by itself, {what}", {1: _spend_in_rounds(plan, empty, [what])})
            for launcher, sizes in SIZES.items():
                name, options = f"{launcher}, {what}", [what, f"hydra/launcher={launcher}", *_LAUNCHERS[launcher]]
                if launcher == "joblib" and importlib.util.find_spec(launcher) is None:
                    rows.append(Row("host", name, CPU, None, sizes[0], note="not measured: needs the extra joblib"))
                    continue
                taken = [size for size in sizes if size <= plan.members] or [sizes[0]]
                spent = {n: _spend_in_rounds(plan, empty, [*options, f"seed=range({n})", "-m"]) for n in taken}
                rows += _rows(name, spent)
    return rows


def _rows(name: str, measured: Mapping[int, Sequence[Spent]]) -> list[Row]:
    """Return the rows of sweeps of several sizes, and what each run more costs from one size to the next."""
    rows = []
    for size, spent in measured.items():
        values = {CPU: [each.cpu for each in spent], SECONDS: [each.seconds for each in spent]}
        values[MEMORY] = [each.memory for each in spent]
        rows += [Row("host", name, unit, Spread.of(of_unit), size) for unit, of_unit in values.items()]
    for fewer, more in pairwise(measured):
        pairs = zip(measured[fewer], measured[more], strict=True)
        each = [(many.cpu - few.cpu) / (more - fewer) for few, many in pairs]
        rows.append(Row("host", name, EACH, Spread.of(each), more, note=f"from {fewer} to {more} runs"))
    return rows


def _command() -> list[str]:
    return [sys.executable, "-m", "gan_experiments.run", "device=cpu", *_RUN]


def _spend_in_rounds(plan: Plan, empty: Path, options: Sequence[str]) -> list[Spent]:
    """Measure a command some times, each time in a new folder, with a database that is empty but for one run."""
    found = []
    for _ in range(plan.rounds):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            shutil.copy(empty / "mlflow.db", folder)
            found.append(spend(plan, Path(folder), [*_command(), *options], " ".join(options)))
    return found


def spend(plan: Plan, folder: Path, command: list[str], said: str) -> Spent:
    """Run a command in a folder to its end, and to the end of all processes that it started.

    Raises:
        RunFailedError: It failed.
    """
    print(f"measuring: {said}", file=sys.stderr, flush=True)
    with _adopting():
        before, began = _of_children(), time.perf_counter()
        known, memory = {child.pid for child in psutil.Process().children()}, 0
        with started(plan, str(folder), command) as process:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
                if process.returncode is not None or time.perf_counter() - began > TIMEOUT:
                    break
                memory = max(memory, _resident(known))
            seconds = time.perf_counter() - began
        psutil.wait_procs([child for child in psutil.Process().children() if child.pid not in known], TIMEOUT)
        spent = Spent(_of_children() - before, seconds, memory / 1e6)
    took = f"{spent.cpu:.1f} CPU s, {spent.seconds:.1f} s, {spent.memory:.0f} MB"
    print(f"took:      {took}", file=sys.stderr, flush=True)  # a part is written when all of it is measured
    return spent


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Become the parent of processes that outlive theirs, where the system can: else nobody counts their time."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    if prctl is not None:
        prctl(_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        if prctl is not None:
            prctl(_SUBREAPER, 0, 0, 0, 0)


def _of_children() -> float:
    """Return the processor seconds of all processes that this one started and waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(known: set[int]) -> int:
    """Return the bytes that processes below this one have in memory, but for those that were there before."""
    found = 0
    for child in psutil.Process().children():
        if child.pid not in known:
            with contextlib.suppress(psutil.Error):
                for process in (child, *child.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):  # it has just ended
                        found += process.memory_info().rss
    return found
