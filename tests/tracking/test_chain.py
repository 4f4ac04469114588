"""The chain of digests in a run's folder: a file that is changed afterwards does not go unnoticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.runs.run_queue import TheseRuns
from gan_experiments.runs.train import train_run, train_runs
from gan_experiments.tracking.chain import Chain, Standing, read
from gan_experiments.tracking.chain_check import check_chain
from gan_experiments.tracking.journal import Journal
from gan_experiments.tracking.run_directory import RunDirectory
from tests.support.forged import change_loss, change_metric, change_text, flip_bit
from tests.support.small_runs import run

pytestmark = pytest.mark.slow

EPOCHS, STEPS = 3, 29


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of 29 steps; look, but do not touch."""
    small = run(tmp_path_factory.mktemp("trained") / "run", f"train.epochs={EPOCHS}", "train.keep_best=true")
    train_run(small)
    return small.directory


@pytest.fixture
def copy(trained: RunDirectory, tmp_path: Path) -> RunDirectory:
    """The same run in a folder of one's own."""
    return RunDirectory(shutil.copytree(trained.path, tmp_path / "copy"))


def kinds(directory: RunDirectory) -> list[str]:
    return [line["kind"] for line in read(directory.chain)[0]]


def test_a_line_is_bound_to_the_one_before_as_the_page_says(trained: RunDirectory) -> None:
    before = ""
    for text in trained.chain.read_text().splitlines():
        line = json.loads(text)
        link = line.pop("link")
        content = json.dumps(line, sort_keys=True, separators=(",", ":"))
        assert link == hashlib.sha256((before + content).encode()).hexdigest()
        before = link


def test_it_covers_all_that_the_run_left(trained: RunDirectory) -> None:
    lines, _, _ = read(trained.chain)
    standing = Standing.of(lines)
    assert standing.steps == STEPS
    assert standing.journal == trained.journal.stat().st_size
    assert {trained.name_of(file) for file in trained.weights()} < {*standing.files}
    assert {"artifacts/config/config.yaml", "generators/best.pt", "generator/generator.json"} < {*standing.files}
    assert [line["step"] for line in lines if line["kind"] == "epoch"] == [10, 20, STEPS]
    assert kinds(trained)[0] == "session"
    assert kinds(trained)[-1] == "end"
    checked = check_chain(trained)
    assert not checked.missing
    assert not checked.unsettled


def test_what_the_run_learnt_and_by_what_is_in_its_first_line(trained: RunDirectory) -> None:
    session = read(trained.chain)[0][0]
    assert session["data"]["samples"] == run(trained.path, f"train.epochs={EPOCHS}").dataset.digest
    assert session["slots"] == 1
    assert session["epochs"] == EPOCHS
    assert {"sources"} <= session["code"].keys()
    assert {"torch", "numpy", "python"} <= session["packages"].keys()


WEIGHTS = ["checkpoint.pt", "generator/generator.pt", "generators/epoch-0002.pt", "generators/best.pt"]
CHANGES: dict[str, tuple[Callable[[RunDirectory], object], str]] = {
    **{name: (lambda it, name=name: flip_bit(it.path / name), f"{name} was changed") for name in WEIGHTS},
    "a loss": (lambda it: change_loss(it, 17), r"losses.f32, steps 11 to 20, was changed"),
    "a metric": (lambda it: change_metric(it, "epoch", "prob/real", 0.5), r"journal.jsonl, bytes .* was changed"),
    "a score": (lambda it: change_metric(it, "eval", "eval/mode_kl", 0.01), r"journal.jsonl, bytes .* was changed"),
    "a value": (
        lambda it: change_text(it.config, "lr: 0.0002", "lr: 0.0003"),
        "artifacts/config/config.yaml was changed",
    ),
    "another file": (lambda it: shutil.copy(it.checkpoint, it.generators / "epoch-0009.pt"), "did not write"),
    "a line of the chain": (lambda it: change_text(it.chain, '"slots":1', '"slots":2'), "changed at line 1, session"),
    "a line less": (
        lambda it: it.chain.write_text("".join(it.chain.read_text().splitlines(keepends=True)[1:])),
        "does not begin with a session",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_and_named(copy: RunDirectory, change: str) -> None:
    make, message = CHANGES[change]
    check_chain(copy)
    make(copy)
    with pytest.raises(RunFailedError, match=f"^not this run: .*{message}"):
        check_chain(copy)


def test_metrics_after_the_end_are_noticed_and_other_lines_are_not(copy: RunDirectory) -> None:
    journal = Journal(copy.journal)
    journal.append("tags", key="mood", step=STEPS, epoch=EPOCHS, values={"mood": "hopeful"})
    check_chain(copy)
    journal.append("metrics", key="eval", step=STEPS - 1, epoch=EPOCHS, values={"eval/mode_kl": 0.01})
    journal.close()
    with pytest.raises(RunFailedError, match=r"has metrics \(eval, step 28\) that the chain does not cover"):
        check_chain(copy)


def test_metrics_of_training_cannot_pass_as_later_scores(copy: RunDirectory) -> None:
    journal = Journal(copy.journal)
    journal.append("metrics", key="eval", step=STEPS - 1, epoch=EPOCHS, values={"eval/mode_kl": 0.01})
    journal.close()
    chain = Chain.of_a_run(copy)
    assert chain is not None
    chain.add("scored", STEPS)
    with pytest.raises(RunFailedError, match="metrics of eval 28 that were added after the end"):
        check_chain(copy)


def test_weights_that_are_not_there_are_no_fault_and_are_named(copy: RunDirectory) -> None:
    copy.checkpoint.unlink()
    assert check_chain(copy).missing == ["checkpoint.pt"]


def test_a_run_without_a_chain_or_losses_is_a_mistake(copy: RunDirectory) -> None:
    copy.losses.unlink()
    with pytest.raises(UserError, match=r"has no losses\.f32"):
        check_chain(copy)
    copy.chain.unlink()
    with pytest.raises(UserError, match=r"has no chain\.jsonl"):
        check_chain(copy)


def test_a_run_that_goes_on_continues_its_chain(tmp_path: Path) -> None:
    for epochs in (1, 2, 3):
        train_run(run(tmp_path, f"train.epochs={epochs}", "train.resume=auto"))
    directory = RunDirectory(tmp_path)
    lines = check_chain(directory).lines
    assert [line["step"] for line in lines if line["kind"] == "session"] == [0, 10, 20]
    assert [line["epochs"] for line in lines if line["kind"] == "session"] == [1, 2, 3]


KILLED = ("evaluate=off", "train.checkpoint_every=1", "train.resume=auto")


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of three epochs with the checkpoint of its first; look, but do not touch."""
    folder = tmp_path_factory.mktemp("further") / "run"
    train_run(run(folder, "train.epochs=1", *KILLED))
    directory = RunDirectory(folder)
    checkpoint = directory.checkpoint.read_bytes()
    train_run(run(folder, "train.epochs=3", *KILLED))
    directory.checkpoint.write_bytes(checkpoint)
    return directory


@pytest.mark.parametrize(("back", "cut"), [(1, 0), (1, 7), (2, 0), (3, 0), (5, 0), (6, 7), (8, 0), (11, 0)])
def test_a_run_that_was_killed_goes_on_with_what_holds(
    further: RunDirectory, tmp_path: Path, back: int, cut: int
) -> None:
    """Whatever the last line of its chain that it had time for."""
    directory = RunDirectory(shutil.copytree(further.path, tmp_path / "run"))
    lines = directory.chain.read_bytes().splitlines(keepends=True)
    assert len(lines) > 12
    directory.chain.write_bytes(b"".join(lines[:-back]) + lines[-back][:cut])
    train_run(run(directory.path, "train.epochs=2", *KILLED))
    checked = check_chain(directory)
    assert checked.standing.steps == 20
    assert checked.standing.is_ended


def test_weights_that_were_being_written_are_no_fault_until_the_run_goes_on(copy: RunDirectory) -> None:
    """A process that is killed between a file and its line leaves the file announced."""
    chain = Chain.of_a_run(copy)
    assert chain is not None
    chain.add("writing", STEPS, False, files=["checkpoint.pt"])
    copy.checkpoint.write_bytes(copy.generators.joinpath("epoch-0001.pt").read_bytes())
    assert check_chain(copy).unsettled == ["checkpoint.pt"]
    flip_bit(copy.best_generator)
    with pytest.raises(RunFailedError, match=r"generators/best.pt was changed"):
        check_chain(copy)


def test_every_run_of_a_stack_has_its_own(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(k), "train.epochs=2", "evaluate=off", f"seed={k}") for k in range(3)]
    train_runs(TheseRuns(runs))
    chains = [check_chain(each.directory) for each in runs]
    assert all(chain.sessions[0]["slots"] == 3 for chain in chains)
    assert len({chain.standing.link for chain in chains}) == 3
