"""``train.start_from``: a new run from the weights of another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_experiments.errors import UserError
from gan_experiments.runs.checks import check
from gan_experiments.runs.run import Run
from gan_experiments.runs.train import train_run
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from tests.support.real_runs import lines
from tests.support.small_runs import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that has trained."""
    trained = run(tmp_path_factory.mktemp("first") / "run", "train.epochs=2", "train.ema=0.9", "evaluate=off")
    train_run(trained)
    return trained.directory


def test_it_starts_from_both_networks_with_other_settings_and_names_its_origin(
    first: RunDirectory, tmp_path: Path
) -> None:
    following = run(
        tmp_path / "run", "train.epochs=1", "train.lr=0.01", "evaluate=off", f"train.start_from={first.path}"
    )
    check(following.cfg)
    state = checkpoint.load(first.checkpoint)["step_state"]
    for player in ("generator", "discriminator"):
        weights = getattr(following.member.networks, player).state_dict()
        assert all(torch.equal(weights[name], state[player][name]) for name in weights)
    assert following.step == 0
    train_run(following)
    tags = {key: value for line in lines(following.directory, "tags") for key, value in line["values"].items()}
    assert tags["start_from.run_directory"] == str(first.path)
    assert tags["start_from.step"] == str(checkpoint.load(first.checkpoint)["step"])


def test_it_resumes_without_its_origin(first: RunDirectory, tmp_path: Path) -> None:
    overrides = ("evaluate=off", "train.start_from={origin}", "train.resume=auto")
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "checkpoint.pt").write_bytes(first.checkpoint.read_bytes())

    def part(epochs: int) -> Run:
        return run(tmp_path / "run", f"train.epochs={epochs}", *(o.format(origin=origin) for o in overrides))

    train_run(part(1))
    (origin / "checkpoint.pt").unlink()
    train_run(part(2))
    assert len(lines(RunDirectory(tmp_path / "run"), "metrics", "epoch")) == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("train.start_from=nowhere",), r"train.start_from=nowhere: there is no such checkpoint"),
        (
            ("train.start_from={first}", "model.generator_widths=[8,8,8]"),
            r"train.start_from=.*: its generator does not fit this run's model: .* is \[64, 100\]",
        ),
        (("train.start_from={first}/generators/epoch-0002.pt",), r"train.start_from=.*: holds a generator alone"),
    ],
)
def test_what_does_not_fit_is_refused(
    first: RunDirectory, tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check(run(tmp_path, *(o.format(first=first.path) for o in overrides)).cfg)
