"""Whole commands, as a user starts them: the cost of tracking, and the time of the start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.report import Row
from gan_experiments.benchmark.timing import Failures, Spread, alternate
from gan_experiments.errors import RunFailedError

_PACKAGE = Path(__file__).parents[1]
_POLL = 0.005
TIMEOUT = 3600
"""Seconds after which a command is given up."""


def tracking(plan: Plan) -> list[Row]:
    """Time whole runs, from the command to the prompt, with and without tracking in MLflow, in pairs.

    One run with tracking comes first and is not counted: it creates the database, as a user's first run does.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        command = [*_command(plan), f"train.epochs={plan.epochs}"]
        timed(plan, folder, [*_command(plan), "train.epochs=1"], "tracking: the first run")
        on, off, ratios = [], [], []
        for i in range(plan.rounds):
            seconds: dict[str, float] = {}
            for option in ("local", "off") if i % 2 else ("off", "local"):
                said = f"tracking={option}, pair {i + 1} of {plan.rounds}"
                seconds[option] = timed(plan, folder, [*command, f"tracking={option}"], said)
            on.append(seconds["local"])
            off.append(seconds["off"])
            ratios.append(seconds["local"] / seconds["off"])
    spread = Spread.of(ratios)
    what = f"the command with train.epochs={plan.epochs}"
    note = f"of the pairs: {spread.median:.3f}, from {spread.low:.3f} to {spread.high:.3f}"
    return [
        Row("tracking", f"{what}, tracking=local", "s", Spread.of(on), against={"off": spread.median}, note=note),
        Row("tracking", f"{what}, tracking=off", "s", Spread.of(off)),
    ]


def startup(plan: Plan) -> list[Row]:
    """Time the answers to ``--help`` and ``--cfg job``, and the wait until the first steps are on record."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        command, recorded = _command(plan), "first steps on record"
        waits: dict[str, Callable[[], float]] = {
            "--help": lambda: timed(plan, folder, [*command[:3], "--help"]),
            "--cfg job": lambda: timed(plan, folder, [*command, "--cfg", "job"]),
            recorded: lambda: _until_recorded(plan, folder, command),
        }
        for name, wait in waits.items():
            print(f"warming up: {name}", file=sys.stderr, flush=True)
            wait()
        failures = Failures()
        spreads = alternate(plan.rounds, waits, failures)
    notes = {recorded: "the first window of losses, tracking=local"}
    rows = []
    for name in waits:
        spread = spreads.get(name)
        rows.append(Row("startup", name, "s", spread, note=failures.note(name, spread) or notes.get(name, "")))
    return rows


def _command(plan: Plan) -> list[str]:
    root = str(Path(plan.root).absolute()).replace("\\", "\\\\").replace("'", "\\'")
    overrides = [f"data={plan.data}", f"data.root='{root}'", f"device={plan.device}"]
    return [sys.executable, "-m", "gan_experiments.run", *overrides]


@contextmanager
def started(plan: Plan, folder: str, command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a folder, and end it on leaving if it is still at work.

    Raises:
        RunFailedError: It failed.
    """
    own = (str(_PACKAGE.parent), str(_PACKAGE / "_plugins"))  # whatever is installed
    path = os.pathsep.join(filter(None, (*own, os.environ.get("PYTHONPATH"))))
    variables = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(plan.threads)}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=errors, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
        errors.seek(0)
        if process.returncode not in (0, 143):
            said = (errors.read().strip().splitlines() or ["nothing"])[-1]
            raise RunFailedError(f"{' '.join(command[1:])} ended with status {process.returncode}: {said}")


def timed(plan: Plan, folder: str, command: list[str], said: str = "") -> float:
    """Return the seconds that a command takes in a folder, from its start to its end.

    Raises:
        RunFailedError: It failed.
    """
    if said:
        print(f"measuring: {said}", file=sys.stderr, flush=True)
    began = time.perf_counter()
    with started(plan, folder, command) as process:
        process.wait(TIMEOUT)
        return time.perf_counter() - began


def _until_recorded(plan: Plan, folder: str, command: list[str]) -> float:
    outputs = Path(folder) / "outputs"
    before = _recorded(outputs)
    began = time.perf_counter()
    with started(plan, folder, command) as process:
        while _recorded(outputs) <= before and process.poll() is None:
            time.sleep(_POLL)
        seconds = time.perf_counter() - began
        process.terminate()  # SIGTERM: the run ends after a checkpoint
        process.wait(TIMEOUT)
    return seconds


def _recorded(outputs: Path) -> int:
    """Count the runs below a folder that have recorded a step."""
    return sum(file.stat().st_size > 0 for file in outputs.glob("*/*/losses.f32"))
