"""The names and values that MLflow takes, known without importing it.

MLflow refuses a whole batch for one name that it does not allow. ``tests/tracking/mlflow/test_names.py`` holds these
rules against those of the installed MLflow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gan_experiments.errors import UserError

LONGEST_KEY, LONGEST_RUN_NAME = 250, 250
"""Characters of the key of a parameter, tag or metric, and of a run's name: PostgreSQL's columns have no more."""
LONGEST_PARAM, LONGEST_TAG = 6000, 8000
RUN_NAME_TAG = "mlflow.runName"
MODEL_NAME = "generator"
_LONGEST_EXPERIMENT, _LONGEST_EXPERIMENT_COLUMN = 500, 256
"""Characters of an experiment's name that MLflow takes, and that databases other than SQLite have room for."""
_FORBIDDEN = re.compile(r"[^/\w.\- :]")


def allowed_key(key: str) -> str:
    """Return a key as MLflow takes it: as it is, or with ``_`` for what it does not allow."""
    parts = _FORBIDDEN.sub("_", key)[:LONGEST_KEY].split("/")  # as files they would name others
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "_"


def allowed_text(text: str, longest: int) -> str:
    """Return a text as every database takes it: with ``?`` for what is no character, and cut where it is too long."""
    text = text.replace("\0", "?").encode(errors="replace").decode()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def check_names(uri: str, experiment: str, tags: Mapping[str, str]) -> None:
    """Make sure that MLflow takes the names that a run brings.

    Raises:
        UserError: It never will.
    """
    longest = _LONGEST_EXPERIMENT if uri.startswith(("http", "sqlite")) else _LONGEST_EXPERIMENT_COLUMN
    if not experiment.strip() or experiment != allowed_text(experiment, longest):
        shown = allowed_text(experiment, 100)
        raise UserError(f"tracking.experiment={shown}: must be a name of 1 to {longest} characters")
    for key, value in tags.items():
        if key != allowed_key(key):
            shown = f"tracking.tags.{allowed_text(key, 100)}={allowed_text(str(value), 100)}"
            rule = f"at most {LONGEST_KEY} letters, digits, spaces and _ - . : /, as MLflow wants it"
            raise UserError(f"{shown}: the key must be {rule}; {allowed_key(key)} would do")
