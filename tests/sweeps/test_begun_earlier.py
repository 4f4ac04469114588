"""A sweep goes on with the defaults that it began with, whatever the defaults have become since.

``begun/`` holds what an earlier version left of sweeps that were killed half way; its page says how they were made.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.command_line import parse
from gan_experiments.configuration.hydra_internals import load
from gan_experiments.configuration.override import read
from gan_experiments.errors import UserError
from gan_experiments.sweeps.resume import continued
from gan_experiments.tracking.metadata import flatten
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.commands import Command
from tests.support.configurations import neutral

STORED = Path(__file__).parent / "begun"


@pytest.fixture(autouse=True)
def _other_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other options by default, and other values in the files of those that were the defaults."""
    conf = tmp_path / "conf"
    shutil.copytree(store.CONFIG_DIR, conf)
    (conf / "train" / "other.yaml").write_text("defaults:\n  - article\n  - _self_\nlr: 0.5\nema: 0.9\n")
    with (conf / "train" / "article.yaml").open("a") as file:
        file.write("batch_size: 7\nbetas: [0.1, 0.2]\n")
    optuna = conf / "hydra" / "sweeper" / "optuna.yaml"
    optuna.write_text(re.sub(r"(?m)^direction: \S+", "direction: maximize", optuna.read_text(encoding="utf-8")))
    text = (conf / "config.yaml").read_text(encoding="utf-8")
    others = {"train": "other", "model": "mlp_large", "objective": "hinge", "penalty": "r1", "seed": "5"}
    for key, value in others.items():
        text, count = re.subn(rf"^((?:  - )?{key}): .*", rf"\1: {value}", text, flags=re.MULTILINE)
        assert count == 1
    (conf / "config.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(store, "CONFIG_DIR", conf)
    store.register()
    assert flat(load("config", [], conf, None, several=False))["train.lr"] == "0.5"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Copies of the sweeps' folders."""
    return Path(shutil.copytree(STORED, tmp_path / "left"))


def flat(config: Any) -> dict[str, str]:
    return flatten({key: value for key, value in OmegaConf.to_container(config).items() if key != "hydra"})


def jobs(folder: Path, *searched: str) -> list[dict[str, str]]:
    """The configurations that the jobs of a sweep get when it is resumed."""
    line, sweep = continued(parse([f"sweep.resume={folder}"])), SweepDirectory(folder).content()
    master = load(line.config_name, line.overrides, store.CONFIG_DIR, line.config_dir, several=True)
    shared = OmegaConf.to_container(master.hydra.overrides.hydra)
    fixed = [each.text for each in read(sweep["overrides"]["task"]) if each.key not in sweep["varied"]]
    overrides = sweep["jobs"] or [[*fixed, *searched]]
    composed = (
        load(line.config_name, [*shared, *job], store.CONFIG_DIR, line.config_dir, several=False) for job in overrides
    )
    return [flat(config) for config in composed]


def test_every_job_is_what_it_would_have_been(left: Path) -> None:
    then = flatten(yaml.safe_load((left / "grid/0/.hydra/config.yaml").read_text(encoding="utf-8")))
    assert then["train.batch_size"] == "52"
    for number, job in enumerate(jobs(left / "grid")):
        expected = then | {"seed": str(number)}
        assert {key: job.get(key) for key in expected} == expected
        added = {key: value for key, value in job.items() if key not in expected}
        assert added == {key: neutral(key) for key in added}


@pytest.mark.parametrize(
    ("name", "searched", "names"),
    [
        ("fused", [], ["mlp", "mlp_small"] * 3),
        ("search", ["train.lr=0.25"], ["mlp"]),
        ("owned", [], ["wide", "mlp_small"]),
    ],
)
def test_so_are_those_of_groups_and_searches_and_options_of_ones_own(
    name: str, searched: list[str], names: list[str], left: Path
) -> None:
    file = left / name / "sweep.json"
    here = str(left / name / "my_conf")
    file.write_text(file.read_text(encoding="utf-8").replace("/home/me/gans/my_conf", here), encoding="utf-8")
    then = flat(OmegaConf.load(left / name / "multirun.yaml"))
    found = jobs(left / name, *searched)
    assert sorted(job["model.name"] for job in found) == sorted(names)
    for job in found:
        for key in (
            "train.batch_size",
            "train.betas",
            "train.epochs",
            "objective.name",
            "penalty.name",
            "model.dropout",
        ):
            assert job[key] == then[key], key
        assert job["train.lr"] == (searched[0].partition("=")[2] if searched else then["train.lr"])
        assert job["train.ema"] == "null"


def test_a_search_keeps_the_settings_of_its_sweeper(left: Path) -> None:
    now = load("config", ["hydra/sweeper=optuna"], store.CONFIG_DIR, None, several=True)
    assert now.hydra.sweeper.direction == "maximize"
    line = continued(parse([f"sweep.resume={left / 'search'}"]))
    sweeper = load(line.config_name, line.overrides, store.CONFIG_DIR, None, several=True).hydra.sweeper
    assert (sweeper.n_jobs, sweeper.n_trials, sweeper.direction) == (1, 3, None)


def test_a_key_that_is_gone_is_not_left_out_in_silence(left: Path) -> None:
    file = left / "grid" / "multirun.yaml"
    begun = OmegaConf.load(file)
    begun.train.momentum_of_old = 0.5
    begun.evaluate.bygone = 1
    OmegaConf.save(begun, file)
    with pytest.raises(UserError, match=r"^train\.momentum_of_old=0\.5: this version has no such key"):
        jobs(left / "grid")


@pytest.mark.slow
def test_it_goes_on_to_its_end(left: Path, command: Command) -> None:
    sweep = SweepDirectory(left / "grid")
    first = (sweep.path / "0/.hydra/config.yaml").read_text(encoding="utf-8")
    half = command(f"sweep.resume={sweep.path}", "device=nowhere")
    assert half.status == 2
    answer = command(f"sweep.resume={sweep.path}")
    assert answer.status == 0, answer.err
    assert f"finished  {sweep.path / '0'}, before; not run again" in answer.out
    assert [outcome(job).finished for job in sweep.jobs()] == [True] * 3
    then = flatten(yaml.safe_load(first))
    for number, job in enumerate(sweep.jobs()):
        now = flatten(yaml.safe_load((job.path / ".hydra/config.yaml").read_text(encoding="utf-8")))
        assert {key: now[key] for key in then} == then | {"seed": str(number)}
    assert [each.key for each in read(OmegaConf.load(sweep.path / "2/.hydra/overrides.yaml"))][-1] == "seed"
    # Once more: what it began with stays known, though Hydra wrote its own file again.
    assert command(f"sweep.resume={sweep.path}").status == 0


def test_what_a_new_sweep_began_with_is_kept(left: Path) -> None:
    sweep = SweepDirectory(left / "grid")
    shutil.copy(sweep.path / "multirun.yaml", sweep.begun)
    (sweep.path / "multirun.yaml").write_text("{}")
    assert json.loads(sweep.sweep.read_text(encoding="utf-8"))["varied"] == {"seed": "0,1,2"}
    assert [job["train.lr"] for job in jobs(sweep.path)] == ["0.0002"] * 3
