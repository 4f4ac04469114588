"""Where runs go: what was typed or stands in a person's own YAML, then MLflow's variables, then our default."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_experiments.configuration import store
from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.hydra_internals import load
from gan_experiments.configuration.validation import validate
from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import unused, usual
from gan_experiments.tracking.mlflow.uri import check_uri

OURS, THEIRS, TYPED = "sqlite:///mlflow.db", "sqlite:///theirs.db", "sqlite:///typed.db"


@pytest.fixture
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", THEIRS)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")


def place(*overrides: str) -> tuple[str | None, str]:
    tracking = compose(overrides).tracking
    return tracking.uri, tracking.experiment


def test_without_variables_it_is_our_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place() == (OURS, "gan")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # set to nothing is not set
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "")
    assert place() == (OURS, "gan")
    assert usual() == OURS


@pytest.mark.usefixtures("_variables")
def test_variables_come_before_our_default_and_after_what_was_typed() -> None:
    assert place() == (THEIRS, "theirs")
    assert place("tracking=server") == (THEIRS, "theirs")
    assert place(f"tracking.uri={TYPED}") == (TYPED, "theirs")
    assert place("tracking.experiment=typed") == (THEIRS, "typed")
    assert usual() == THEIRS


@pytest.mark.usefixtures("_variables")
def test_off_stays_off_and_other_trackers_stay_theirs() -> None:
    assert place("tracking=off")[0] is None
    assert place("tracking=tensorboard")[0] == "tensorboard:tensorboard"


@pytest.mark.usefixtures("_variables")
def test_a_file_of_ones_own_comes_first(tmp_path: Path) -> None:
    store.register()
    own = tmp_path / "tracking" / "lab.yaml"
    own.parent.mkdir()
    own.write_text("defaults:\n  - /schema_tracking\n  - _self_\nname: lab\nuri: http://lab:5000\n")
    tracking = load("config", ["tracking=lab"], store.CONFIG_DIR, str(tmp_path), several=False).tracking
    assert (tracking.uri, tracking.experiment) == ("http://lab:5000", "theirs")
    own.write_text(f"{own.read_text()}experiment: ours\n")
    tracking = load("config", ["tracking=lab"], store.CONFIG_DIR, str(tmp_path), several=False).tracking
    assert tracking.experiment == "ours"


def test_a_server_must_be_named_somewhere() -> None:
    with pytest.raises(UserError, match=r"^tracking\.uri: is missing; .*, or MLFLOW_TRACKING_URI be set$"):
        validate(compose(["tracking=server"]))


def test_a_refusal_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI=\./mlruns: MLflow no longer writes runs to plain"):
        check_uri("./mlruns")


def test_variables_that_are_not_followed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unused(OURS) == []
    monkeypatch.setenv("MLFLOW_RUN_ID", "1" * 32)
    (line,) = unused(OURS)
    assert line.startswith("MLFLOW_RUN_ID is not used: ")
    assert unused(None) == []
