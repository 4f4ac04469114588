"""What a user typed leads to a run's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_experiments.errors import UserError
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import HandMadeRun


def test_an_id_leads_to_the_run_s_folder(recorded: HandMadeRun, database: str) -> None:
    run_id = synchronise(recorded.directory, database)
    assert run_id is not None
    # The run was copied after it was recorded, so that its tag names the folder where it was made.
    assert find_run(run_id, database).name == "run"


def test_a_path_is_itself_even_if_it_looks_like_an_id(tmp_path: Path) -> None:
    folder = Path("0" * 32)
    folder.mkdir()
    assert find_run(str(folder), None) == folder
    assert find_run("elsewhere/run", None) == Path("elsewhere/run")


def test_an_id_that_leads_nowhere(tmp_path: Path, database: str) -> None:
    for uri, message in (
        (None, "tracking=off"),
        (f"sqlite:///{tmp_path}/none.db", "does not exist"),
        (database, "has no such run"),
        ("tensorboard:logs", "tensorboard:logs is not MLflow's"),
    ):
        with pytest.raises(UserError, match=message):
            find_run("0" * 32, uri)
