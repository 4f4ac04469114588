"""``from gan_experiments import compose, train, load, score``: the commands' work, asked for by a program."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from gan_experiments import FinishedRun, UserError, compose, load, sample, score, train
from gan_experiments.runs.origin import origin_with_changes
from tests.support.commands import Command
from tests.support.fresh_interpreter import loaded_by, printed_by
from tests.support.real_runs import OFF, TINY, lines
from tests.support.waiting import until

SHORT = ("train=article", *TINY, *OFF, "train.epochs=2", "train.checkpoint_every=1", "evaluate=off")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A run that was changed after it was composed; look, but do not touch."""
    cfg = compose([*SHORT, "train.ema=0.9", f"hydra.run.dir={tmp_path_factory.mktemp('python')}/run"])
    cfg.train.lr = 1e-3
    return train(cfg)


@pytest.mark.slow
def test_a_run_has_what_the_commands_run_has(run: FinishedRun) -> None:
    files = {str(path.relative_to(run.directory)) for path in run.directory.rglob("*") if path.is_file()}
    assert {f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides")} <= files
    assert {"checkpoint.pt", "generators/epoch-0002.pt", "artifacts/figures/samples.png"} <= files
    assert run.id is None
    assert run.config.train.lr == 1e-3
    assert "- train.lr=0.001\n" in (run.directory / ".hydra" / "overrides.yaml").read_text()


@pytest.mark.slow
def test_metrics_have_a_row_an_epoch(run: FinishedRun) -> None:
    frame = run.metrics()
    assert list(frame.index) == [1, 2]
    stored = [line["values"]["loss/generator"] for line in lines(run.files, "metrics", "epoch")]
    assert list(frame["loss/generator"]) == stored
    assert list(frame["step"]) == [35, 70]


@pytest.mark.slow
def test_a_run_on_a_cpu_leaves_cuda_alone(tmp_path: Path) -> None:
    """On a machine with GPUs, or on one that pretends to have two, where CUDA cannot be initialised."""
    keys = [*SHORT, "device=cpu", f"hydra.run.dir={tmp_path}/run"]
    program = f"""
import torch
if not torch.cuda.is_available():
    torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 2
torch.manual_seed(5)
from gan_experiments import compose, score, train
run = train(compose({keys!r}))
score(run, samples=100, overrides=["device=cpu"])
assert torch.initial_seed() == 5
print(torch.cuda.is_initialized())
"""
    assert printed_by(program)[-1:] == ["False"]


@pytest.mark.slow
def test_samples_are_those_of_the_command(run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found, numbers = load(run.directory), torch.get_rng_state()
    drawn = found.sample(9, seed=3)
    assert torch.equal(torch.get_rng_state(), numbers)
    sample.main([str(run.directory), "-n", "9", "--seed", "3", "--out", "drawn.npy"])
    assert drawn.dtype == np.uint8
    assert drawn.shape == (9, 1, 28, 28)
    assert np.array_equal(drawn, np.load("drawn.npy"))
    assert not np.array_equal(drawn, found.sample(9, seed=3, epoch=1))
    with pytest.raises(UserError, match=r"^epoch 7: there is no checkpoint of that epoch; there are 1, 2$"):
        found.sample(epoch=7)


@pytest.mark.slow
def test_scores_stand_beside_those_of_real_data(run: FinishedRun) -> None:
    scores = score(run, samples=200, overrides=["evaluate.metrics=[frechet]"])
    value, error, real = scores["frechet_classifier_distance"]
    assert error is not None
    assert real is not None
    assert value > real > 0
    assert (run.directory / "scores.json").is_file()
    assert run.metrics().loc[2, "eval/200/frechet_classifier_distance"] == value


@pytest.mark.slow
def test_the_command_goes_on_with_it(command: Command) -> None:
    first = train(compose([*SHORT, "train.epochs=1", "hydra.run.dir=out"]))
    answer = command(f"train.resume={first.directory}", "train.epochs=2")
    assert answer.status == 0, answer.err
    again = compose(["train.resume=out", "train.epochs=3"])
    assert again.model.latent_dim == 8
    run = train(again)
    assert run.directory == first.directory
    assert list(run.metrics().index) == [1, 2, 3]
    another = run.config
    another.train.epochs = 1
    assert train(another).directory != run.directory


@pytest.mark.slow
def test_the_program_finds_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a Hydra of the program's own, from a coroutine, and from a thread beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("colour: red\n")

    def state() -> tuple[object, ...]:
        handlers = list(logging.getLogger().handlers)
        return Path.cwd(), list(sys.argv), list(sys.path), handlers, dict(os.environ), signal.getsignal(signal.SIGINT)

    async def both() -> list[FinishedRun]:
        beside = asyncio.create_task(asyncio.to_thread(train, compose([*SHORT, "seed=1"])))
        return [train(compose([*SHORT, "seed=2"])), await beside]

    ConfigStore.instance().store("schema", node={"colour": "???"})
    with hydra.initialize_config_dir(str(tmp_path / "mine"), version_base="1.2"):
        before, numbers, theirs = state(), torch.get_rng_state(), GlobalHydra.instance()
        runs = asyncio.run(both())
        assert state() == before
        assert torch.equal(torch.get_rng_state(), numbers)
        assert GlobalHydra.instance() is theirs
        assert hydra.compose("config").colour == "red"
    assert ConfigStore.instance().load("schema.yaml").node == {"colour": "???"}
    assert len({run.directory for run in runs}) == 2
    assert not np.array_equal(runs[0].sample(4), runs[1].sample(4))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_each_run_of_a_program_names_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def commit() -> str:
        for line in ("init", "-c user.name=a -c user.email=a@b.c commit --allow-empty --message one"):
            subprocess.run(["git", *line.split()], check=True, capture_output=True)
        asked = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        return asked.stdout.strip()

    def named(folder: str) -> str:
        run = train(compose([*SHORT, "train.epochs=1", f"hydra.run.dir={folder}"]))
        return lines(run.files, "tags")[0]["values"]["mlflow.source.git.commit"]

    commits = [commit(), named("first"), commit(), named("second")]
    assert commits[0] == commits[1] != commits[2] == commits[3]


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = compose([*SHORT, "train.epochs=2000", "train.checkpoint_every=2000", "hydra.run.dir=out"])

    def interrupt() -> None:
        until(lambda: Path("out/journal.jsonl").exists() and "grad_norm" in Path("out/journal.jsonl").read_text(), "")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        train(cfg)
    thread.join()
    assert load("out").sample(3).shape == (3, 1, 28, 28)
    assert compose(["train.resume=out"]).train.epochs == 2000


MISTAKES = [
    ("train.lrr=1e-3", "train.lrr=1e-3: no such key; did you mean train.lr?"),
    ("train.lr=-1", "train.lr=-1.0: must be a number, above 0"),
    ("model=perceptron", "model=perceptron: no such option; model has dcgan, mlp"),
    ("train.lr=1e-3,1e-4", "train.lr=1e-3,1e-4: several values need -m"),
    ("train", "train: cannot be read"),
    ("train.resume=nowhere", "train.resume=nowhere: must be a run's folder"),
]


@pytest.mark.parametrize(("mistake", "line"), MISTAKES)
def test_a_mistake_is_the_commands_line(mistake: str, line: str, command: Command) -> None:
    with pytest.raises(UserError) as error:
        compose([mistake])
    assert str(error.value).startswith(line)
    answer = command(mistake)
    assert answer.err == f"error: {error.value}\n"
    assert answer.files == []


def test_a_value_that_is_set_afterwards_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = compose(SHORT)
    cfg.train.lr = -2.0
    with pytest.raises(UserError, match=r"^train\.lr=-2\.0: must be a number, above 0$"):
        train(cfg)
    cfg = compose(SHORT)
    cfg.train.batch_size = 5000
    with pytest.raises(UserError, match=r"^train\.batch_size=5000: must be at most 1797"):
        train(cfg)
    with pytest.raises(UserError, match="was not made by"):
        train(DictConfig({"train": {"lr": 1}}))
    with pytest.raises(UserError, match=r"^config_dir=nowhere: must be a folder"):
        compose([], config_dir="nowhere")
    with pytest.raises(UserError, match="is not the folder of a run"):
        load("nowhere")
    assert list(tmp_path.iterdir()) == []


def test_every_change_becomes_an_override() -> None:
    cfg = compose(["model=mlp_small", "train.lr=1e-3", "train.ema=0.9"])
    cfg.train.lr, cfg.train.ema, cfg.train.betas = 2e-3, None, [0.5, 0.9]
    cfg.tracking.run_name, cfg.train.early_stop = "it's a = b", ["mode_collapse"]
    cfg = OmegaConf.merge(copy.deepcopy(cfg), {"seed": 5})
    assert isinstance(cfg, DictConfig)
    origin = origin_with_changes(cfg)
    assert origin.overrides[:1] == ("model=mlp_small",)
    again = compose(origin.overrides)
    assert again == cfg
    assert origin_with_changes(again).overrides == origin.overrides


def test_own_parts_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_conf/model").mkdir(parents=True)
    Path("my_conf/model/narrow.yaml").write_text("defaults:\n  - mlp\n  - _self_\ngenerator_widths: [4]\n")
    assert compose(["model=narrow"], config_dir="my_conf").model.generator_widths == [4]
    with pytest.raises(UserError, match=r"^model=narrow: no such option"):
        compose(["model=narrow"])


def test_the_package_itself_loads_nothing() -> None:
    program = "import gan_experiments; from gan_experiments import UserError; dir(gan_experiments)"
    assert loaded_by(program, "hydra", "mlflow", "torch", "omegaconf") == []


def test_two_threads_that_compose_at_once_load_hydras_plugins_once() -> None:
    program = """
import threading, time
from hydra.core.plugins import Plugins
from gan_experiments import compose

load, times, composed = Plugins._scan_all_plugins, [], []
def slowly(modules):
    times.append(1)
    time.sleep(0.5)
    return load(modules)
Plugins._scan_all_plugins = staticmethod(slowly)
threads = [threading.Thread(target=lambda: composed.append(compose(["data=ring"]))) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(times), len(composed))
"""
    assert printed_by(program) == ["1", "2"]


@pytest.mark.slow
def test_the_example(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """What the README shows runs as it stands there, tracked by MLflow as it is by default."""
    page = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- python: example -->\n```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    monkeypatch.chdir(workplace)
    here: dict[str, Any] = {}
    exec(example[1], here)
    assert Path.cwd() == workplace
    assert here["images"].shape == (64, 1, 28, 28)
    assert list(here["losses"].index) == [1, 2]
    assert here["value"] > here["real"]
    assert load(here["run"].id).directory == here["run"].directory
    assert re.search(
        r"^model +MLFLOW_TRACKING_URI=.* -m models:/m-\w{32} .*example\.json'?$", capfd.readouterr().out, re.MULTILINE
    )
    assert here["again"].train.lr == 1e-3
