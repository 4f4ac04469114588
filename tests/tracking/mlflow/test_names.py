"""The rules for names are those of the installed MLflow."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils import validation

from gan_experiments.errors import UserError
from gan_experiments.tracking.mlflow.names import (
    LONGEST_KEY,
    LONGEST_PARAM,
    LONGEST_TAG,
    allowed_key,
    allowed_text,
    check_names,
)

KEYS = (
    *("lr", "train.lr", "a b", "eval/fid: 10", "größe", "数", "x" * 250),
    *(
        "e-mail (work)",
        "a@b",
        "a//b",
        "/a",
        "a/",
        "../a",
        ".",
        "..",
        "",
        "a/./b",
        "100%",
        "a\nb",
        "x" * 251,
        "?",
        "🙂",
    ),
)


def _is_taken(key: str) -> bool:
    try:
        validation._validate_tag(key, "value")
        validation._validate_param(key, "value")
        validation._validate_metric_name(key)
    except MlflowException:
        return False
    return True


@pytest.mark.parametrize("key", KEYS)
def test_a_key_stays_if_mlflow_takes_it_and_is_mended_if_not(key: str) -> None:
    assert _is_taken(allowed_key(key))
    assert (allowed_key(key) == key) == (_is_taken(key) and key != "")  # MLflow lets an empty tag pass


def test_longest_values_are_mlflows() -> None:
    assert LONGEST_KEY == validation.MAX_ENTITY_KEY_LENGTH
    assert LONGEST_PARAM == validation.MAX_PARAM_VAL_LENGTH
    assert LONGEST_TAG == validation.MAX_TAG_VAL_LENGTH


def test_a_text_is_cut_and_has_only_what_a_database_stores() -> None:
    assert allowed_text("short", 5) == "short"
    assert allowed_text("longer", 5) == "long…"
    assert allowed_text("a\0b\udc80c", 10) == "a?b?c"


@pytest.mark.parametrize("name", ["", "  ", "x" * 501, "a\0b"])
def test_an_experiments_name_that_mlflow_never_takes_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"tracking.experiment=.*: must be a name of 1 to 500 characters"):
        check_names("sqlite:////mlflow.db", name, {})


def test_an_experiments_name_must_fit_a_servers_column() -> None:
    check_names("sqlite:////mlflow.db", "x" * 500, {})
    with pytest.raises(UserError, match="1 to 256 characters"):
        check_names("postgresql+psycopg:///mlflow", "x" * 257, {})


def test_a_tag_that_mlflow_never_takes_is_refused_with_one_that_it_takes() -> None:
    with pytest.raises(UserError, match=r"tracking.tags.e-mail \(work\)=me: .*; e-mail _work_ would do"):
        check_names("sqlite:////mlflow.db", "gan", {"mood": "fine", "e-mail (work)": "me"})
