from __future__ import annotations

import os
import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments import objectives
from gan_experiments.configuration import store
from gan_experiments.configuration.command_line import parse
from gan_experiments.configuration.compose import compose, without_hydra
from gan_experiments.configuration.hydra_internals import load
from gan_experiments.errors import UserError
from gan_experiments.runs import resume
from gan_experiments.runs.resume import state_to_resume, why_anew
from gan_experiments.tracking.metadata import flatten
from gan_experiments.tracking.run_directory import write_json
from gan_experiments.training import checkpoint
from tests.support.commands import Command
from tests.support.configurations import plain

SMALL = ["model=mlp_small", "train.lr=0.001", "seed=7"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.register()
    monkeypatch.chdir(tmp_path)


def past_run(folder: str, overrides: Sequence[str] = SMALL, config_dir: Path | None = None) -> Path:
    """What a run leaves behind that a later one needs."""
    path = Path(folder).absolute()
    (path / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(list(overrides)), path / ".hydra" / "overrides.yaml")
    own = None if config_dir is None else str(config_dir)
    config = load("config", overrides, store.CONFIG_DIR, own, several=False)
    OmegaConf.save(OmegaConf.masked_copy(config, "hydra"), path / ".hydra" / "hydra.yaml")
    OmegaConf.save(
        OmegaConf.masked_copy(config, [k for k in config if k != "hydra"]), path / ".hydra" / "config.yaml"
    )
    checkpoint.save(path / "checkpoint.pt", {"step": 3, "config": plain(*overrides)})
    return path


def change_stored_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    state = checkpoint.load(folder / "checkpoint.pt")
    change(state["config"])
    checkpoint.save(folder / "checkpoint.pt", state)


def continued(*arguments: str) -> Namespace:
    return resume.continued(parse(arguments))


def resumed(*arguments: str) -> DictConfig:
    """The configuration that a command line with ``train.resume`` amounts to."""
    line = continued(*arguments)
    return without_hydra(load(line.config_name, line.overrides, store.CONFIG_DIR, line.config_dir, several=False))


def as_plain(cfg: DictConfig) -> dict[str, Any]:
    values = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


@pytest.mark.parametrize("reference", ["runs/1", "runs/1/", "runs/1/checkpoint.pt", "'runs/1'"])
def test_a_run_goes_on_with_its_own_settings_in_its_own_folder(reference: str) -> None:
    folder = past_run("runs/1")
    arguments = continued(f"train.resume={reference}")
    assert arguments.overrides == [*SMALL, f"train.resume='{folder}/checkpoint.pt'", f"hydra.run.dir='{folder}'"]


def test_what_is_given_now_wins() -> None:
    past_run("1", [*SMALL, "train.epochs=10", "+tracking.tags.who=me", "train.resume=auto"])
    cfg = resumed("train.epochs=20", "train.resume=1", "+tracking.tags.who=you")
    assert cfg.train.epochs == 20
    assert cfg.model.name == "mlp_small"
    assert cfg.seed == 7
    assert cfg.tracking.tags == {"who": "you"}
    assert cfg.train.resume == str(Path("1/checkpoint.pt").absolute())


def changed_defaults(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on other options are the defaults, and those of before have other values in their files."""
    shutil.copytree(store.CONFIG_DIR, folder)
    (folder / "train" / "other.yaml").write_text("defaults:\n  - article\n  - _self_\nema: 0.9\n")
    with (folder / "train" / "article.yaml").open("a") as file:
        file.write("batch_size: 7\n")
    text = (folder / "config.yaml").read_text(encoding="utf-8")
    for key, value in {"train": "other", "objective": "hinge", "seed": "5", "evaluate": "full"}.items():
        text = re.sub(rf"^((?:  - )?{key}): .*", rf"\1: {value}", text, flags=re.MULTILINE)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(store, "CONFIG_DIR", folder)
    monkeypatch.setattr("gan_experiments.configuration.compose.CONFIG_DIR", folder)


def test_a_run_keeps_the_defaults_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = past_run("1", ["train.lr=0.001"])
    then = flatten(plain("train.lr=0.001", f"train.resume={folder / 'checkpoint.pt'}"))
    changed_defaults(tmp_path / "conf", monkeypatch)
    assert compose().train.ema == 0.9
    cfg = resumed("train.resume=1")
    assert flatten(as_plain(cfg)) == then
    assert state_to_resume(cfg, folder)
    longer = resumed("train.resume=1", "train.epochs=7", "evaluate=off", "tracking=off")
    assert (longer.train.epochs, longer.evaluate.name) == (7, "off")
    assert str(longer.train.batch_size) == then["train.batch_size"]
    assert longer.tracking.uri is None


def test_auto_keeps_them_too_where_the_folder_is_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue starts the same command again, and the project was updated in between."""
    folder = past_run("1", ["train.lr=0.001", "train.resume=auto"])
    again, then = ("hydra.run.dir=1", "train.resume=auto"), plain("train.lr=0.001", "train.resume=auto")
    changed_defaults(tmp_path / "conf", monkeypatch)
    cfg = resumed(*again, "train.lr=0.001")
    assert as_plain(cfg)["train"] == then["train"]
    assert cfg.objective.name == then["objective"]["name"]
    assert state_to_resume(cfg, folder)
    with pytest.raises(UserError, match=r"^train.lr=.*: must be 0.001 to resume the run of"):
        state_to_resume(resumed(*again), folder)


def test_it_goes_on_where_it_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, here = past_run("1"), tmp_path / "mlflow.db"
    here.touch()
    write_json(folder / "run.json", {"name": "x", "uri": f"sqlite:///{here}", "experiment": "first"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    line = continued("train.resume=../1")
    assert line.folder == tmp_path  # what is relative in its configuration means this folder
    tracking = resumed("train.resume=../1").tracking
    assert (tracking.uri, tracking.experiment) == (f"sqlite:///{here}", "first")
    asked = resumed("train.resume=../1", "tracking.uri=sqlite:///asked.db").tracking
    assert (asked.uri, asked.experiment) == (f"sqlite:///{tmp_path}/elsewhere/asked.db", "first")
    assert resumed("train.resume=../1", "tracking=off").tracking.uri is None


def test_it_says_why_auto_starts_a_new_run() -> None:
    assert "hydra.run.dir=FOLDER" in why_anew("outputs/${now:%Y-%m-%d}")
    assert why_anew("here") == "train.resume=auto: here has no checkpoint yet; the run starts anew"


def test_flags_stay() -> None:
    past_run("1")
    arguments = continued("--cfg", "job", "train.resume=1")
    assert (arguments.cfg, arguments.overrides[0]) == ("job", SMALL[0])


def test_options_of_ones_own_are_found_again(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    past_run("1", config_dir=tmp_path / "own")
    arguments = continued("train.resume=1")
    assert (arguments.config_dir, arguments.overrides[0]) == (str(tmp_path / "own"), SMALL[0])
    arguments = continued("--config-dir=other", "train.resume=1")
    assert (arguments.config_dir, arguments.overrides[0]) == (str(tmp_path / "other"), SMALL[0])


@pytest.mark.parametrize("name", ["with space", "lr=0.1,seed=3", "it's", "[1]", "ünï"])
def test_folders_with_unusual_names(name: str) -> None:
    past_run(name)
    assert resumed(f"train.resume={name}").train.resume == str(Path(name, "checkpoint.pt").absolute())


@pytest.mark.parametrize("arguments", [[], ["seed=1"], ["train.resume=auto"], ["train.resume=null", "seed=1"]])
def test_nothing_to_look_for(arguments: list[str]) -> None:
    assert continued(*arguments).overrides == arguments


def test_another_folder_is_refused() -> None:
    past_run("1")
    with pytest.raises(UserError, match=r"^hydra.run.dir=2: does not go with train.resume"):
        continued("train.resume=1", "hydra.run.dir=2")


def test_a_folder_without_a_run() -> None:
    Path("1").mkdir()
    Path("1/checkpoint.pt").touch()
    with pytest.raises(UserError, match=r"has no run to resume \(.hydra/overrides.yaml is missing\)"):
        continued("train.resume=1")


def test_an_mlflow_run_is_found_by_its_id() -> None:
    from mlflow import MlflowClient

    folder = past_run("runs/1")
    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.create_experiment("gan", artifact_location=str(Path("artifacts").absolute()))
    here = client.create_run(experiment, tags={"run_directory": str(folder)}).info.run_id
    gone = client.create_run(experiment, tags={"run_directory": str(folder / "gone")}).info.run_id
    assert f"hydra.run.dir='{folder}'" in continued(f"train.resume={here}").overrides
    with pytest.raises(UserError, match=f"^run {gone}: its folder is not on this machine .*/gone"):
        continued(f"train.resume={gone}")
    with pytest.raises(UserError, match=f"^run {'0' * 32}: sqlite:.* has no such run"):
        continued(f"train.resume={'0' * 32}")
    with pytest.raises(UserError, match=r"other.db does not exist \(tracking.uri says where\)"):
        continued(f"train.resume={here}", "tracking.uri=sqlite:///other.db")


def test_the_state_is_that_of_the_checkpoint() -> None:
    folder = past_run("1")
    for reference in ("auto", str(folder / "checkpoint.pt")):
        state = state_to_resume(compose([*SMALL, f"train.resume={reference}"]), folder)
        assert state is not None
        assert state["step"] == 3


def test_auto_starts_anew_where_there_is_no_checkpoint() -> None:
    assert state_to_resume(compose(["train.resume=auto"]), Path("1")) is None


def test_a_new_run_does_not_overwrite_another() -> None:
    Path("1").mkdir()
    assert state_to_resume(compose(), Path("1")) is None
    Path("1/journal.jsonl").touch()
    with pytest.raises(UserError, match=r"^hydra.run.dir=1: holds a run already; train.resume=auto resumes it"):
        state_to_resume(compose(), Path("1"))


@pytest.mark.parametrize(
    "override",
    ["train.epochs=3", "train.checkpoint_every=1", "device=cpu", "tracking=off", "tracking.log_every=7"],
)
def test_what_may_change(override: str) -> None:
    folder = past_run("1")
    assert state_to_resume(compose([*SMALL, "train.resume=auto", override]), folder)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.lr=0.1", "train.lr=0.1: must be 0.001 to resume the run of"),
        ("seed=8", "seed=8: must be 7 to resume"),
        ("model.generator_widths=[8]", r"model.generator_widths=[8]: must be [64, 128, 256] to resume"),
        ("data=ring", "data._target_=gan_experiments.data.mixtures.ring: must be gan_experiments.data.digits.load"),
    ],
)
def test_what_may_not_change(override: str, line: str) -> None:
    folder = past_run("1")
    with pytest.raises(UserError) as error:
        state_to_resume(compose([*SMALL, "train.resume=auto", override]), folder)
    assert str(error.value).startswith(line)


def test_a_key_that_a_stored_configuration_lacks_had_the_effect_of_its_default() -> None:
    folder = past_run("1")
    old = plain(*SMALL)
    for key in ("optimizer", "weight_decay", "momentum"):
        del old["train"][key]
    checkpoint.save(folder / "checkpoint.pt", {"step": 3, "config": old})
    assert state_to_resume(compose([*SMALL, "train.resume=auto"]), folder)
    with pytest.raises(UserError, match=r"^train.optimizer=sgd: must be adam to resume the run of"):
        state_to_resume(compose([*SMALL, "train.resume=auto", "train.optimizer=sgd"]), folder)


def test_a_target_that_has_moved_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored names are compared by what they name: parts move between files."""
    former = ModuleType("former_home")
    former.NonSaturating = objectives.NonSaturating  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, former.__name__, former)
    folder = past_run("1")
    change_stored_config(folder, lambda config: config["objective"].update(_target_="former_home.NonSaturating"))
    assert state_to_resume(compose([*SMALL, "train.resume=auto"]), folder)
    change_stored_config(folder, lambda config: config["objective"].update(_target_="gone.Objective"))
    with pytest.raises(UserError, match=r"^objective\._target_=.*: must be gone\.Objective to resume"):
        state_to_resume(compose([*SMALL, "train.resume=auto"]), folder)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def another_file(path: Path) -> None:
    path.write_text("no checkpoint")


def weights(path: Path) -> None:
    checkpoint.save(path, {"generator": {"weight": torch.ones(2)}})


def pickled_code(path: Path) -> None:
    torch.save(print, path)


@pytest.mark.parametrize("name", ["lr=0.1,seed=3", "it's"])
def test_a_folder_with_an_unusual_name_through_the_command(name: str, command: Command) -> None:
    past_run(name)
    Path(name, "checkpoint.pt").write_text("no checkpoint")
    assert f"{name}/checkpoint.pt: this is not a checkpoint" in command(f"train.resume={name}").err


@pytest.mark.parametrize("damage", [truncated, another_file, weights, pickled_code])
def test_a_checkpoint_that_is_none(damage: object, command: Command) -> None:
    folder = past_run("1")
    assert callable(damage)
    damage(folder / "checkpoint.pt")
    before = sorted(Path.cwd().rglob("*"))
    answer = command(f"train.resume={folder}")
    assert answer.status == 2
    assert answer.err.startswith(f"error: train.resume={folder}/checkpoint.pt: this ")
    assert answer.err.count("\n") == 1
    assert sorted(Path.cwd().rglob("*")) == before


def test_a_checkpoint_of_another_architecture(command: Command) -> None:
    folder = past_run("1")
    answer = command(f"train.resume={folder}", "model=mlp")
    assert answer.status == 2
    assert answer.err.startswith("error: model.name=mlp: must be mlp_small to resume the run of")
    assert answer.err.count("\n") == 1
