"""``train.early_stop`` ends hopeless runs, and those alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gan_experiments.training import checkpoint
from tests.support.real_runs import OFF, call, lines, succeed
from tests.support.results import losses, members

pytestmark = pytest.mark.slow

COLLAPSE = (
    "train=article",
    "data=ring",
    "data.samples=7000",
    "objective=minimax",
    "model=mlp_small",
    "evaluate.every=2",
    *OFF,
)
"""The generator finds one of eight modes; the light comes on with the third score, after epoch 6."""
STEP = -(-6 * 7000 // 52)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run twice, trained as one, and only the first to be given up."""
    folder = tmp_path_factory.mktemp("early") / "sweep"
    varied = "train.early_stop=[mode_collapse,oscillation],[oscillation]"
    command = ("-m", "hydra/launcher=fused", *COLLAPSE, "train.epochs=9", varied, f"hydra.sweep.dir={folder}")
    ended = succeed(folder.parent, *command)
    said = "ended: early stop after epoch 6: mode collapse; 1 still training"
    assert [line for line in ended.err if line.endswith(said)]
    return folder


def test_it_ends_with_its_last_scores_and_pictures_and_the_others_go_on(sweep: Path) -> None:
    early, late = members(sweep)
    assert [run.journal.exists() for run in (early, late)] == [True, True]
    for run, epochs, step in ((early, 6, STEP), (late, 9, -(-9 * 7000 // 52))):
        assert len(lines(run, "metrics", "epoch")) == epochs
        assert checkpoint.load(run.checkpoint)["step"] == step
        for kind in ("samples", "probabilities", "status"):
            assert lines(run, kind)[-1]["step"] == step
        assert lines(run, "metrics", "eval")[-1]["step"] == step
        assert (run.generator / "generator.pt").is_file()
    (status,) = lines(early, "status")
    assert (status["status"], status["reason"]) == ("FINISHED", "early stop after epoch 6: mode collapse")
    assert lines(late, "status")[-1]["reason"] == "all epochs are done"
    np.testing.assert_allclose(losses(early)[:400], losses(late)[:400], atol=1e-3)  # of a stack of two, rounded apart


def test_alone_it_says_so_and_goes_on_when_it_is_allowed_to(tmp_path: Path) -> None:
    command = (*COLLAPSE, "train.epochs=9", "train.early_stop=[mode_collapse]", "hydra.run.dir=run")
    ended = succeed(tmp_path, *command)
    assert "ended     early stop after epoch 6: mode collapse" in ended.out
    assert checkpoint.load(tmp_path / "run" / "checkpoint.pt")["step"] == STEP
    succeed(tmp_path, "train.resume=run", "train.early_stop=[]")
    assert checkpoint.load(tmp_path / "run" / "checkpoint.pt")["step"] == -(-9 * 7000 // 52)


def test_a_light_that_does_not_exist(tmp_path: Path) -> None:
    ended = call(tmp_path, "train.early_stop=[collapse]", *OFF)
    assert ended.status == 2
    assert ended.err == [
        "error: train.early_stop=['collapse']: must be a list of any of discriminator_overfits, "
        "generator_stopped, mode_collapse, oscillation, saturated_discriminator"
    ]
