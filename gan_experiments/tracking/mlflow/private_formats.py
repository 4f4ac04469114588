"""Data that this project writes itself in MLflow's own formats: the file to check after an upgrade of MLflow.

A run is recorded in its folder while MLflow may be out of reach, so the folder holds some things as MLflow would
have written them itself. Some of these formats are documented, others can change with any version:

- names of image files: ``MlflowClient.log_image`` chooses them, its pages parse them (``stepped_names``);
- tags that its pages look for (the constants below);
- a sweep's view (``views.py``), as the button *Views* of its pages would save it;
- the schema of a data set, which ``mlflow.data`` derives from the data (``dataset_schema``);
- names of system metrics, as of ``mlflow.system_metrics``: ``tracking/system_metrics.py`` measures them;
- the variable by which MLflow's server tells its own programs where files go: ``artifact_places.py`` uses it;
- a model's files, which ``mlflow.pyfunc.save_model`` writes, logged as a ``LoggedModel``: ``model.py``.

``tests/tracking/trackers/test_mlflow.py`` holds the image names against those of the installed MLflow.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

USER, SOURCE_TYPE, SOURCE_NAME = "mlflow.user", "mlflow.source.type", "mlflow.source.name"
COMMIT, NOTE = "mlflow.source.git.commit", "mlflow.note.content"
ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""Environment variable that names the folder of files of databases that are opened."""
SHOWS_IMAGES = {"mlflow.loggedImages": "true"}
"""Tag that tells MLflow's pages that a run has images to show."""
SHARED_VIEW = "mlflow.sharedViewState."
"""Beginning of an experiment's tags that hold views: a layout of the pages on its runs, as JSON, compressed."""
SYSTEM_METRICS = "system/"
"""Prefix of the metrics that MLflow's pages show among those of the machine."""


def stepped_names(key: str, step: int, time: int, run: str) -> tuple[str, str]:
    """Return where ``MlflowClient.log_image(image, key=key, step=step)`` puts an image and its compressed copy.

    MLflow's own names end in a random number; this one depends on the run, the key and the step, so that sending
    an image again replaces it.

    Args:
        key: The image's name in MLflow.
        step: The step that it shows.
        time: Milliseconds since 1970.
        run: What is unique to the run.
    """
    number = uuid.uuid5(uuid.NAMESPACE_OID, f"{run}/{key}/{step}")
    stem = f"images/{key.replace('/', '~')}+step+{step}+timestamp+{time}+{number}"
    return f"{stem}.png", f"{stem}+compressed.webp"


def dataset_schema(dtype: str, sample_shape: Sequence[int]) -> str:
    """Return the schema of a data set of tensors as JSON, as ``mlflow.data`` would write it."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *sample_shape]}}
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps([tensor]), "targets": None}})
