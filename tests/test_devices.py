"""Whole commands on a CPU, on a GPU where there is one, and on a second one where there are two."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.real_runs import OFF, call
from tests.support.steps import DEVICES

SECOND = pytest.param(
    "cuda:1",
    marks=[pytest.mark.cuda, pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no second CUDA device")],
)
SHORT = ("train=article", "model=mlp_small", "train.checkpoint_every=2", *OFF)

pytestmark = pytest.mark.slow


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=False)["step_state"]
    return {
        f"{player}.{name}": value
        for player in ("generator", "discriminator")
        for name, value in state[player].items()
    }


@pytest.mark.parametrize("device", [*DEVICES, SECOND])
def test_a_run_is_scored_and_goes_on_with_the_same_bits(device: str, tmp_path: Path) -> None:
    whole = call(tmp_path, *SHORT, f"device={device}", "train.epochs=4", "hydra.run.dir=whole")
    assert whole.status == 0, whole.err
    assert any("classifier distance" in line for line in whole.out)
    keys = (*SHORT, "evaluate=off", f"device={device}")
    assert call(tmp_path, *keys, "train.epochs=2", "hydra.run.dir=parts").status == 0
    goes_on = call(tmp_path, "train.resume=parts", "train.epochs=4")
    assert goes_on.status == 0, goes_on.err
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert [name for name, value in expected.items() if not torch.equal(value, found[name])] == []


@pytest.mark.parametrize("device", [*DEVICES, SECOND])
def test_a_sweep_trains_as_one_program(device: str, tmp_path: Path) -> None:
    """Six runs of unequal lengths pass through two slots, whose graph is captured once."""
    keys = ("hydra/launcher=fused", "fused.slots=2", "evaluate=off", f"device={device}", "hydra.sweep.dir=sweep")
    sweep = call(tmp_path, "-m", *SHORT, *keys, "train.epochs=1,2", "train.lr=1e-4,2e-4,4e-4")
    assert sweep.status == 0, sweep.err
    assert len([*(tmp_path / "sweep").glob("*/checkpoint.pt")]) == 6
