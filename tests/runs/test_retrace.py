"""Training again what a run has trained: an honest run gives the same, and what was made up is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.objectives import NonSaturating
from gan_experiments.runs import checkpoints
from gan_experiments.runs.run_queue import TheseRuns
from gan_experiments.runs.train import train_run, train_runs
from gan_experiments.runs.verification import verify_run
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from gan_experiments.training.arithmetic import on_threads
from tests.support.forged import change_loss, change_metric, change_text, forging_the_chain
from tests.support.small_runs import run

pytestmark = pytest.mark.slow

STEPS = 29
DIGITS = ("data=digits", "evaluate=off", "data.fraction=0.2")


def verified(directory: RunDirectory, **how: object) -> list[str]:
    """The lines of a verification that finds no fault."""
    lines: list[str] = []
    verify_run(directory, lines.append, overrides={}, **how)  # type: ignore[arg-type]
    return lines


def trained(folder: Path, *overrides: str) -> RunDirectory:
    small = run(folder, *overrides)
    train_run(small)
    return small.directory


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of 29 steps in three epochs; look, but do not touch."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    return trained(folder, "train.epochs=3", "tracking.log_every=5")


@pytest.fixture
def copy(honest: RunDirectory, tmp_path: Path) -> RunDirectory:
    return RunDirectory(shutil.copytree(honest.path, tmp_path / "copy"))


def test_all_of_an_honest_run_is_the_same_and_its_folder_is_left_as_it_was(honest: RunDirectory) -> None:
    files = {file: file.read_bytes() for file in honest.path.rglob("*") if file.is_file()}
    *_, last = verified(honest, everything=True)
    assert last.startswith("same bits steps 1 to 29 of 29, from step 0, 3 epochs, ")
    assert ", 3 scores (" in last
    assert files == {file: file.read_bytes() for file in honest.path.rglob("*") if file.is_file()}


def test_so_many_steps_as_are_asked_for(honest: RunDirectory) -> None:
    assert verified(honest, steps=13, seed=5)[-1].startswith("same bits steps 1 to 13 of 29, from step 0, 1 epoch")


@pytest.mark.parametrize(
    "overrides",
    [
        ("train.ema=0.9", "train.instance_noise=0.1", "train.schedule=linear", "penalty=r1"),
        (*DIGITS, "model.condition=projection"),
        (*DIGITS, "augment=diffaugment", "train.discriminator_steps=2"),
        ("train.precision=bf16", "train.keep_best=true", "train.keep_checkpoints=1"),
    ],
    ids=["stabilisers", "labels", "augmentation", "bf16"],
)
def test_whatever_a_run_is_made_of(tmp_path: Path, overrides: Sequence[str]) -> None:
    directory = trained(tmp_path / "run", *overrides, "train.epochs=2")
    assert verified(directory, everything=True)[-1].startswith("same bits")


class Counting(NonSaturating):
    """An objective with a state that no tensor shows, and that a captured step keeps as it was."""

    calls = 0

    def generator_loss(self, real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
        type(self).calls += 1
        return super().generator_loss(real_logits, fake_logits) * (1 + 0.1 * self.calls)


def test_a_captured_step_is_captured_again(tmp_path: Path) -> None:
    Counting.calls = 0
    own = f"objective._target_={__name__}.{Counting.__name__}"
    directory = trained(tmp_path / "run", own, "train.engine=graph", "train.epochs=2", "evaluate=off")
    Counting.calls = 0
    assert verified(directory, everything=True)[-1].startswith("same bits")


def test_a_run_that_went_on_with_another_length(tmp_path: Path) -> None:
    more = ("train.resume=auto", "train.schedule=linear", "evaluate=off")
    for epochs in (1, 3):
        trained(tmp_path, f"train.epochs={epochs}", *more)
    assert verified(RunDirectory(tmp_path), everything=True)[-1].startswith("same bits steps 1 to 29 of 29")


def test_a_moved_run(honest: RunDirectory, tmp_path: Path) -> None:
    moved = RunDirectory(shutil.copytree(honest.path, tmp_path / "elsewhere" / "moved"))
    assert verified(moved)[-1].startswith("same bits")


def test_without_weights_the_record_alone(copy: RunDirectory) -> None:
    for file in copy.weights():
        file.unlink()
    first, *_, last = verified(copy, everything=True)
    assert "not here: checkpoint.pt, " in first
    assert last.startswith("same bits steps 1 to 29 of 29, from step 0, 3 epochs, 3 scores")


def test_members_of_a_stack_are_the_same_within_a_tolerance(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(k), "train.epochs=8", "evaluate=off", f"seed={k}") for k in range(3)]
    train_runs(TheseRuns(runs))
    last = verified(runs[1].directory, everything=True)[-1]
    assert last.startswith(("same      within 0.0002: steps 1 to 50 of 77", "same bits steps 1 to 77 of 77"))
    change_loss(runs[1].directory, 40)  # its last bit is within the tolerance, and the chain knows it
    with pytest.raises(RunFailedError, match=r"losses\.f32, steps 40 to 49, was changed"):
        verified(runs[1].directory)


def test_other_threads_are_told(copy: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    with forging_the_chain(copy):
        pass
    change_text(copy.chain, '"threads": 1', '"threads": 2')
    with forging_the_chain(copy):
        pass
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with on_threads(1):
        assert verified(copy)[-1].startswith("same bits")  # one thread gives other bits at most, and here the same
        with forging_the_chain(copy):
            change_loss(copy, 3)
        assert "; retraced on 1 threads, the run had 2" in verified(copy)[-1]


def test_long_runs_keep_states_to_begin_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHORT", 50)
    assert not trained(tmp_path / "short", "train.epochs=5", "evaluate=off").kept_states()
    directory = trained(tmp_path / "long", "train.epochs=8", "evaluate=off")
    assert [path.name for path in directory.kept_states()] == ["state-00000039.pt", "state-00000068.pt"]
    found = {verified(directory, seed=seed)[-1].partition(",")[0] for seed in range(12)}
    assert found == {f"same bits steps {first} to 77 of 77" for first in (1, 40, 69)}

    # A state that was changed by somebody who can make a chain is found from the beginning, its losses from itself.
    path = directory.state_after(39)
    state = checkpoint.load(path)
    state["step_state"]["generator"] = {k: v + 1e-3 for k, v in state["step_state"]["generator"].items()}
    with forging_the_chain(directory):
        checkpoint.save(path, state)
    with pytest.raises(RunFailedError, match=r"proof/state-00000039\.pt has other weights than training gives"):
        verified(directory, everything=True)
    with pytest.raises(RunFailedError, match="losses part at step 40"):
        [verified(directory, seed=seed) for seed in range(12)]


def lighten(directory: RunDirectory, name: str) -> None:
    """Change a weight by its last bit."""
    path = directory.path / name
    state = torch.load(path, weights_only=True)
    weights = state.get("step_state", state).get("generator", state)
    tensor = next(value for value in weights.values() if isinstance(value, torch.Tensor))
    tensor.view(-1)[0] = torch.nextafter(tensor.view(-1)[0], torch.tensor(9.0))
    torch.save(state, path)


FORGERIES: dict[str, tuple[Callable[[RunDirectory], object], str]] = {
    "a loss": (lambda it: change_loss(it, 17), r"losses part at step 17: recorded \S+ \S+, retraced"),
    "a metric": (lambda it: change_metric(it, "epoch", "prob/real", 0.5), r"prob/real after step 29: recorded 0\.5"),
    "a step's": (lambda it: change_metric(it, "step", "loss_step/generator", 9), "loss_step/generator after step 25"),
    "a score": (lambda it: change_metric(it, "eval", "eval/mode_kl", 0.01), "eval/mode_kl after step 29"),
    "a rate": (lambda it: change_text(it.config, "lr: 0.0002", "lr: 0.0003"), "losses part at step 1"),
    "a seed": (lambda it: change_text(it.config, "\nseed: 0", "\nseed: 1"), "losses part at step 1"),
    "the checkpoint": (lambda it: lighten(it, "checkpoint.pt"), r"checkpoint\.pt has other weights"),
    "a generator": (
        lambda it: lighten(it, "generators/epoch-0002.pt"),
        r"generators/epoch-0002\.pt has other weights",
    ),
    "the served one": (
        lambda it: lighten(it, "generator/generator.pt"),
        r"generator/generator\.pt has other weights",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_made_up_together_with_its_chain_is_found(copy: RunDirectory, forgery: str) -> None:
    make, message = FORGERIES[forgery]
    with forging_the_chain(copy):
        make(copy)
    with pytest.raises(RunFailedError, match=f"not this run: {message}"):
        verified(copy, everything=True)


def test_other_data_are_named_by_both_digests(copy: RunDirectory) -> None:
    with forging_the_chain(copy):
        change_text(copy.config, "samples: 500", "samples: 501")
    with pytest.raises(RunFailedError, match=r"it has learnt ring with samples \w{12}, and .* has samples \w{12}"):
        verified(copy)


def test_other_code_is_found_and_what_to_check_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        loss = NonSaturating.generator_loss
        patched.setattr(NonSaturating, "generator_loss", lambda *args: loss(*args) * 1.0001)
        directory = trained(tmp_path / "run", "train.epochs=2", "evaluate=off")
    with pytest.raises(RunFailedError, match=r"not this run: losses part at step \d+: recorded [^;]*$"):
        verified(directory)
    with forging_the_chain(directory):
        change_text(directory.chain, '"sources":"', '"sources":"0')
    text = directory.chain.read_text()
    directory.chain.write_text(text.replace('"sources": "', '"sources": "0', 1))
    with forging_the_chain(directory):
        pass
    with pytest.raises(RunFailedError, match="; this package had other code when the run was trained"):
        verified(directory)


def test_weights_that_a_run_started_from(honest: RunDirectory, tmp_path: Path) -> None:
    origin = shutil.copytree(honest.path, tmp_path / "origin")
    directory = trained(tmp_path / "run", "train.epochs=1", "evaluate=off", f"train.start_from={origin}")
    assert verified(directory, everything=True)[-1].startswith("same bits")
    lighten(RunDirectory(origin), "checkpoint.pt")
    with pytest.raises(RunFailedError, match=r"not this run: train\.start_from=.* had weights of digest"):
        verified(directory)


def test_a_key_that_this_version_has_not(copy: RunDirectory) -> None:
    with forging_the_chain(copy):
        change_text(copy.config, "  lr: ", "  lrr: 1\n  lr: ")
    with pytest.raises(UserError, match=r"config\.yaml: not for this version of the code \(Key 'lrr' not in"):
        verified(copy)
