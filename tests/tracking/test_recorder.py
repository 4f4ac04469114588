from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gan_experiments.errors import UserError
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.run_directory import RunDirectory
from tests.support.hand_made import STEPS, HandMadeRun


def _stepped(run: HandMadeRun, key: str) -> list[int]:
    names = [path.name for path in (run.directory.artifacts / "images").glob(f"{key}+*.png")]
    return sorted(int(name.split("+")[2]) for name in names)


def test_without_mlflow_the_folder_has_everything(recorded_once: HandMadeRun) -> None:
    artifacts = recorded_once.directory.artifacts
    names = {str(path.relative_to(artifacts)) for path in artifacts.rglob("*") if path.parent.name != "images"}
    assert names >= {
        "config/config.yaml",
        "losses.csv",
        "histograms.json",
        "samples.gif",
        "figures/losses.png",
        "figures/histograms.png",
        "figures/probabilities.png",
        "figures/samples.png",
        "figures/glance.png",
    }
    assert recorded_once.directory.log.read_text() == ""


def test_pictures_can_be_stepped_through(recorded_once: HandMadeRun) -> None:
    assert _stepped(recorded_once, "samples") == [0, 2 * STEPS, 4 * STEPS, 6 * STEPS]
    assert _stepped(recorded_once, "histograms") == [0, 2 * STEPS, 4 * STEPS, 6 * STEPS]
    assert _stepped(recorded_once, "probabilities") == [6 * STEPS]
    for key in ("samples", "histograms", "losses"):
        assert _stepped(recorded_once, f"latest~{key}") == [0]
    for path in (recorded_once.directory.artifacts / "images").iterdir():
        with Image.open(path) as image:
            image.load()
            assert image.getextrema() not in ((0, 0), ((255, 255),) * 3)  # something is on it


def test_every_steps_losses_are_in_one_table(recorded_once: HandMadeRun) -> None:
    header, *rows = (recorded_once.directory.artifacts / "losses.csv").read_text().splitlines()
    assert header == "step,discriminator,generator"
    table = np.array([row.split(",") for row in rows]).astype(np.float32)
    steps = np.arange(1, 6 * STEPS + 1, dtype=np.float32)
    assert np.array_equal(table, np.stack((steps, steps / np.float32(7), -steps), 1))


def test_histograms_are_kept_as_numbers(recorded_once: HandMadeRun) -> None:
    data = json.loads((recorded_once.directory.artifacts / "histograms.json").read_text())
    assert data["bin_edges"] == pytest.approx(np.linspace(0, 1, 51))
    assert [row["epoch"] for row in data["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert data["epochs"][2]["real"] == list(range(3, 53))
    assert data["epochs"][2]["fake"] == list(range(52, 2, -1))


def test_the_configuration_is_kept_whole(recorded_once: HandMadeRun) -> None:
    assert (
        yaml.safe_load((recorded_once.directory.artifacts / "config" / "config.yaml").read_text())
        == recorded_once.config
    )


def test_points_are_drawn_as_points(tmp_path: Path) -> None:
    run = HandMadeRun(tmp_path / "run", None, points=True)
    run.record()
    assert _stepped(run, "samples") == [0, 2 * STEPS, 4 * STEPS, 6 * STEPS]
    assert run.directory.log.read_text() == ""


def test_a_resumed_run_records_each_thing_once(tmp_path: Path) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    first = run.recorder()
    first.open()
    for event in run.events(1, 3):
        first.record(event)
    first.close("KILLED", "stopped")
    second = run.recorder(resumed_from=2 * STEPS)
    second.open()
    for event in run.events(3, 6):  # epoch 3 once more: the checkpoint was written after epoch 2
        second.record(event)
    second.close("FINISHED")
    lines = [line for line, _ in read(run.directory.journal)]
    seen = [(line["kind"], line["key"], line["step"]) for line in lines]
    assert len(seen) == len(set(seen))
    recorded = {
        (line["step"], name): value
        for line in lines
        if line["kind"] == "metrics"
        for name, value in line["values"].items()
    }
    expected = {(step, name): value for name, pairs in run.expected_metrics().items() for step, value in pairs}
    assert recorded == expected
    losses = np.fromfile(run.directory.losses, dtype="<f4").reshape(-1, 2)
    assert np.array_equal(losses[:, 1], -np.arange(1, 6 * STEPS + 1))
    assert [line["status"] for line in lines if line["kind"] == "status"] == ["KILLED", "FINISHED"]


def test_two_processes_cannot_train_in_one_folder(tmp_path: Path) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    recorder = run.recorder()
    recorder.open()
    with pytest.raises(UserError, match="another process is training in"):
        run.recorder().open()
    recorder.close("KILLED", "test over")


def test_system_metrics_have_the_names_that_mlflows_page_expects(tmp_path: Path) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    run.tracking.system_metrics = True
    run.record()
    measured = [line for line, _ in read(run.directory.journal) if line["kind"] == "system"]
    assert [line["step"] for line in measured] == list(range(len(measured)))
    assert measured
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= measured[0][
        "values"
    ].keys()


def test_a_folder_without_a_run_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a run"):
        RunDirectory.of_a_run(tmp_path)
