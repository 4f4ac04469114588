"""A sweep's runs pass through fewer slots than there are runs, whatever their lengths, and whatever kills them."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import numpy as np
import pytest

from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.sweep_directory import RUNS_WITH_SLOTS
from tests.support.real_runs import OFF, TINY, call, lines, start, succeed
from tests.support.results import losses, members
from tests.support.waiting import until

pytestmark = pytest.mark.slow

SWEEP = (
    *("-m", "experiment=quickstart", *TINY, *OFF, "evaluate=off", "train.checkpoint_every=1"),
    *("train.epochs=1,2,4", "model.generator_widths=[32],[48]"),
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs of three lengths and two widths, one after another."""
    folder = tmp_path_factory.mktemp("alone")
    succeed(folder, *SWEEP, "hydra.sweep.dir=sweep")
    return folder / "sweep"


def assert_same(found: Path, expected: Path) -> None:
    for run, same in zip(members(found), members(expected), strict=True):
        np.testing.assert_allclose(losses(run)[:100], losses(same)[:100], rtol=2e-4, atol=2e-4)
        assert len(losses(run)) == len(losses(same))
        assert [line["status"] for line in lines(run, "status")][-1] == "FINISHED"
        epochs, expected_epochs = ([line["step"] for line in lines(r, "metrics", "epoch")] for r in (run, same))
        assert epochs == expected_epochs


def test_runs_of_all_lengths_through_two_slots(alone: Path, tmp_path: Path) -> None:
    ended = call(tmp_path, *SWEEP, "hydra/launcher=fused", "fused.slots=2", "hydra.sweep.dir=sweep")
    assert ended.status == 0, ended.err
    assert_same(tmp_path / "sweep", alone)
    use = read_json(tmp_path / "sweep" / "slots.json")
    assert (use["slots"], use["programs_built"], use["runs"]) == (2, 1, 6)
    assert use["slot_steps_used_while_waiting"] >= 0.95 * use["slot_steps"] > 0
    assert use.pop(RUNS_WITH_SLOTS) == list(range(6))
    assert read_json(tmp_path / "sweep" / "report" / "slots.json") == use
    assert all(len(lines(run, "session")) == 1 for run in members(tmp_path / "sweep"))


def test_killed_at_random_moments_and_resumed(alone: Path, tmp_path: Path) -> None:
    moments = random.Random(0)
    sweep = tmp_path / "sweep"

    def epochs() -> int:
        begun = [RunDirectory(path.parent) for path in sweep.glob("*/journal.jsonl")]
        return sum(len(lines(run, "metrics", "epoch")) for run in begun)

    process = start(tmp_path, *SWEEP, "hydra/launcher=fused", "fused.slots=2", f"hydra.sweep.dir={sweep}")
    for _ in range(2):
        goal = epochs() + moments.randint(2, 4)
        until(lambda goal=goal: epochs() >= goal, f"{goal} epochs", process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start(tmp_path, "-m", f"sweep.resume={sweep}")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert_same(sweep, alone)
    assert read_json(sweep / "slots.json")["runs"] == 6
