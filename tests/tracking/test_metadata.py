from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from gan_experiments.data.dataset import Dataset
from gan_experiments.tracking.metadata import ask_git_again, describe, flatten, origin


def test_every_value_has_its_dotted_key_and_is_written_as_in_yaml() -> None:
    config = {"model": {"widths": [8, 16], "deep": {"on": True}}, "ema": None, "lr": 2e-4, "tags": {}, "name": "a b"}
    assert flatten(config) == {
        "model.widths": "[8, 16]",
        "model.deep.on": "true",
        "ema": "null",
        "lr": "0.0002",
        "tags": "{}",
        "name": "a b",
    }


def _git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    try:
        return subprocess.run(
            ["git", *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()
    except FileNotFoundError:
        pytest.skip("git is not installed")


def test_tags_say_what_where_and_with_which_versions() -> None:
    tags = origin(["train.lr=1", "seed=2"], "cpu", Path("/runs/1"))
    assert tags["overrides"] == "train.lr=1 seed=2"
    assert tags["device"] == "cpu"
    assert tags["run_directory"] == "/runs/1"
    assert tags["version.torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"host", "version.python", "version.mlflow", "version.hydra-core", "version.cuda"} <= tags.keys()


def test_the_commit_is_that_of_the_working_directory_and_changes_are_told() -> None:
    _git("init", "-q")
    Path("file").write_text("1")
    _git("add", "file")
    _git("commit", "-qm", "first")
    clean = origin([], "cpu", Path())
    assert clean["mlflow.source.git.commit"] == _git("rev-parse", "HEAD")
    assert clean["git.dirty"] == "false"
    Path("file").write_text("2")
    assert origin([], "cpu", Path()) == clean, "one command has one state of the code"
    ask_git_again()
    assert origin([], "cpu", Path())["git.dirty"] == "true"


def test_a_repository_without_commits_is_no_mistake() -> None:
    _git("init", "-q")
    assert origin([], "cpu", Path()).get("mlflow.source.git.commit") != "HEAD"


def test_a_data_set_is_described_within_mlflows_limits() -> None:
    data = Dataset("dots", torch.zeros(7, 1, 4, 4, dtype=torch.uint8), source="here")
    described = describe(data)
    assert described["digest"] == data.digest[:36]
    assert (described["name"], described["source"], described["samples"]) == ("dots", "here", 7)
    assert (described["sample_shape"], described["dtype"]) == ([1, 4, 4], "uint8")
