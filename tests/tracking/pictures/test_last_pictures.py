"""Of many runs only the last pictures are drawn, and the others when somebody asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_experiments import sync
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import STEPS, HandMadeRun

LAST = 6 * STEPS


def run_of_many(path: Path, uri: str | None) -> HandMadeRun:
    run = HandMadeRun(path, uri, points=True)
    run.tracking.pictures = "last"
    return run


def drawn(run: HandMadeRun) -> set[str]:
    """Return what there is of pictures: keys and steps of those over training, names of the others."""
    artifacts = run.directory.artifacts
    names = [path.relative_to(artifacts) for path in artifacts.rglob("*") if path.is_file()]
    return {
        "+".join(name.name.split("+")[:3:2]) if name.parts[0] == "images" else str(name)
        for name in names
        if name.parts[0] not in ("config", "model")
    }


def test_a_run_that_nobody_follows_draws_nothing_until_somebody_asks(
    tmp_path: Path, recorded_once: HandMadeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of_many(tmp_path / "run", None)
    run.record()
    assert drawn(run) == set()
    assert not run.directory.log.exists()  # no process waited for something to draw
    command = f"python -m gan_experiments.sync {run.directory.path} --pictures"
    assert f"pictures  none yet: {command}" in capsys.readouterr().out
    sync.main([str(run.directory.path), "--pictures"])
    assert drawn(run) == drawn(recorded_once)
    assert read_json(run.directory.run)["pictures"] == "all"


def test_a_run_draws_its_last_pictures_when_it_has_ended(tmp_path: Path) -> None:
    run = run_of_many(tmp_path / "run", f"tensorboard:{tmp_path / 'logs'}")
    recorder = run.recorder()
    recorder.open()
    for event in run.events(1, run.epochs):
        recorder.record(event)
    assert drawn(run) == set()
    recorder.close("FINISHED", generator=run.generator.generator)
    stepped = {f"{key}+{LAST}" for key in ("samples", "histograms", "probabilities")}
    latest = {f"latest~{key}+0" for key in ("samples", "histograms", "losses")}
    assert drawn(run) == stepped | latest | {"figures/glance.png"}
    assert run.directory.log.read_text() == ""


def test_all_pictures_take_the_place_of_the_last_at_the_destination(tmp_path: Path) -> None:
    run = run_of_many(tmp_path / "run", f"tensorboard:{tmp_path / 'logs'}")
    run.record()

    def steps() -> dict[str, list[int]]:
        stored = EventAccumulator(str(tmp_path / "logs" / "gan" / run.name), purge_orphaned_data=False).Reload()
        assert len(stored.Scalars("loss/generator")) == run.epochs
        tags = ("pictures/samples", "pictures/probabilities")
        return {tag: [each.step for each in stored.Images(tag)] for tag in tags}

    assert steps() == {"pictures/samples": [LAST], "pictures/probabilities": [LAST]}
    for _ in range(2):
        sync.main([str(run.directory.path), "--pictures"])
        assert steps() == {
            "pictures/samples": [0, 2 * STEPS, 4 * STEPS, LAST],
            "pictures/probabilities": [LAST],
        }


@pytest.mark.slow
def test_mlflow_has_what_is_drawn_and_misses_nothing(tmp_path: Path, database: str) -> None:
    run = run_of_many(tmp_path / "run", database)
    run.record()
    client, said = MlflowClient(database), list[str]()

    def images() -> set[str]:
        return {Path(item.path).name for item in client.list_artifacts(run.directory.run_id() or "", "images")}

    there = {path.name for path in (run.directory.artifacts / "images").iterdir()}
    assert len(there) == 12
    assert images() == there
    synchronise(run.directory, say=said.append)
    assert said == []
    synchronise(run.directory, pictures=True, say=said.append)
    assert said == []
    everything = {path.name for path in (run.directory.artifacts / "images").iterdir()}
    assert images() == everything > there


def test_a_run_that_goes_on_by_itself_has_all_its_pictures(tmp_path: Path) -> None:
    run = run_of_many(tmp_path / "run", f"tensorboard:{tmp_path / 'logs'}")
    recorder = run.recorder()
    recorder.open()
    for event in run.events(1, 2):
        recorder.record(event)
    recorder.close("KILLED")
    assert f"samples+{2 * STEPS}" in drawn(run)
    run.tracking.pictures = "auto"
    recorder = run.recorder(2 * STEPS)
    recorder.open()
    for event in run.events(3, run.epochs):
        recorder.record(event)
    recorder.close("FINISHED", generator=run.generator.generator)
    steps = (0, 2 * STEPS, 4 * STEPS, LAST)
    assert {f"samples+{step}" for step in steps} <= drawn(run)
    stored = EventAccumulator(str(tmp_path / "logs" / "gan" / run.name), purge_orphaned_data=False).Reload()
    assert [each.step for each in stored.Images("pictures/samples")] == [*steps]
