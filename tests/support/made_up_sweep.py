"""A sweep of many runs that never trained: copies of one run made by hand, with settings and values of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from gan_experiments.tracking.journal import read
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from tests.support.hand_made import HandMadeRun


def make_up_sweep(path: Path, runs: int, seeds: int, *, failed: int | None = None, epochs: int = 2) -> SweepDirectory:
    """Make the folder of a sweep that has ended, of rates 0.001, 0.002, …, each with so many seeds.

    Args:
        path: The folder.
        runs: How many runs there are.
        seeds: How many seeds a setting has.
        failed: Number of the run that failed at its end, if one did.
        epochs: Epochs of each run.
    """
    made = HandMadeRun(path / "0", None, epochs=epochs, points=True)
    recorder = Recorder(made.directory, made.description())
    recorder.claim()
    recorder.open()
    for event in made.events(1, epochs):
        recorder.on(event)
    recorder.on(Ended("FINISHED", ALL_EPOCHS))
    recorder.release()
    made.keep(made.generator.generator)
    lines = [line for line, _ in read(made.directory.journal)]
    settings = [(f"{(number // seeds + 1) / 1000:g}", str(number % seeds)) for number in range(runs)]
    for number, (rate, seed) in enumerate(settings):
        job = JobDirectory(path / str(number))
        if number:
            shutil.copytree(made.directory.path, job.path)
        name = f"lr={rate} seed={seed}"
        write_json(job.job, {"number": number, "overrides": [f"train.lr={rate}", f"seed={seed}"]})
        write_json(job.run, read_json(job.run) | {"name": name, "directory": str(job.path)})
        text = (_changed(line, rate, seed, number == failed) for line in lines)
        job.journal.write_text("".join(f"{json.dumps(line)}\n" for line in text))
    sweep = SweepDirectory(path)
    sweep.create(
        {
            "name": "lr x seed",
            "experiment": "test",
            "uri": None,
            "run_id": None,
            "varied": {"train.lr": ",".join(dict.fromkeys(rate for rate, _ in settings)), "seed": f"range({seeds})"},
            "jobs": [[f"train.lr={rate}", f"seed={seed}"] for rate, seed in settings],
            "overrides": {"hydra": [], "task": []},
            "search": None,
            "started": lines[0]["time"],
            "status": "FINISHED",
            "reason": "",
            "directory": str(path),
        }
    )
    return sweep


def _changed(line: dict[str, Any], rate: str, seed: str, failed: bool) -> dict[str, Any]:
    """Return a line of the journal as that of a run with these settings."""
    if line["kind"] == "params":
        return line | {"values": line["values"] | {"train.lr": rate, "seed": seed}}
    if line["kind"] == "metrics" and line["key"] == "epoch":
        return line | {
            "values": line["values"] | {"prob/real": 0.5 + float(rate), "prob/fake": 0.5 - float(seed) / 100}
        }
    if line["kind"] == "status" and failed:
        return line | {"status": "FAILED", "reason": "the loss is nan"}
    return line
