"""Logs a run to MLflow; anything may be logged again without harm.

MLflow keeps one of equal values of a metric (same key, time, step and value), parameters and tags replace
themselves, files replace files of the same name: so whatever may have been lost on the way is simply sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.mlflow.names import (
    LONGEST_PARAM,
    LONGEST_RUN_NAME,
    LONGEST_TAG,
    RUN_NAME_TAG,
    allowed_key,
    allowed_text,
)
from gan_experiments.tracking.mlflow.private_formats import dataset_schema
from gan_experiments.tracking.mlflow.refusals import Refusals

if TYPE_CHECKING:
    from mlflow import MlflowClient

_VALUES_A_BATCH, _METRICS_A_BATCH = 100, 1000


class LoggedRun:
    """One run in MLflow. What MLflow does not take as it is, is changed or left out, and noted.

    Args:
        client: Where it is.
        run_id: Its id.
        note: Told of each value that is changed or left out: which, and why.

    Attributes:
        refusals: Sends values, without those that MLflow refuses.
    """

    def __init__(self, client: MlflowClient, run_id: str, note: Callable[[str, str], None]) -> None:
        self._client, self._run_id, self._note = client, run_id, note
        self.refusals = Refusals(client, run_id, note)

    def log_metrics(self, lines: Sequence[Line]) -> None:
        """Log all values of the journal's lines of metrics, with the times of the journal."""
        from mlflow.entities import Metric

        metrics = [
            Metric(allowed_key(name), value, line["time"], line["step"])
            for line in lines
            for name, value in line["values"].items()
        ]
        for batch in _batches(metrics, _METRICS_A_BATCH):
            self.refusals.send("metric", batch, lambda part: self._client.log_batch(self._run_id, metrics=part))

    def log_params(self, values: Mapping[str, str]) -> None:
        """Log parameters, cut where they are longer than MLflow takes.

        Those that the run has stay: MLflow lets nobody change them, and a resumed run may have other epochs.
        """
        from mlflow.entities import Param

        known = self._client.get_run(self._run_id).data.params
        new = {name: value for name, value in values.items() if allowed_key(name) not in known}
        params = [Param(*self._fitted("parameter", name, value, LONGEST_PARAM)) for name, value in new.items()]
        for batch in _batches(params, _VALUES_A_BATCH):
            self.refusals.send("parameter", batch, lambda part: self._client.log_batch(self._run_id, params=part))

    def log_tags(self, values: Mapping[str, str]) -> None:
        """Log tags, cut where they are longer than MLflow takes."""
        from mlflow.entities import RunTag

        tags = []
        for name, value in values.items():
            longest = LONGEST_RUN_NAME if name == RUN_NAME_TAG else LONGEST_TAG
            tags.append(RunTag(*self._fitted("tag", name, value, longest)))
        for batch in _batches(tags, _VALUES_A_BATCH):
            self.refusals.send("tag", batch, lambda part: self._client.log_batch(self._run_id, tags=part))

    def log_dataset(self, data: Mapping[str, Any]) -> None:
        """Log the data set, described as ``metadata.describe`` does, as the run's input."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=data["name"],
            digest=data["digest"],
            source_type="code",
            source=json.dumps({"source": data["source"]}),
            schema=dataset_schema(data["dtype"], data["sample_shape"]),
            profile=json.dumps({"features_shape": [data["samples"], *data["sample_shape"]], "scale": data["scale"]}),
        )
        whole = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
        self.refusals.send("data set", [whole], lambda part: self._client.log_inputs(self._run_id, part))

    def log_file(self, folder: Path, name: str) -> None:
        """Log the file ``name`` below ``folder`` as the artifact of the same name."""
        parent = Path(name).parent.as_posix()
        place = None if parent == "." else parent
        self.refusals.send(
            "file", [name], lambda _: self._client.log_artifact(self._run_id, str(folder / name), place)
        )

    def _fitted(self, kind: str, name: str, value: str, longest: int) -> tuple[str, str]:
        """Return a key and a value as MLflow takes them."""
        key = allowed_key(name)
        if key != name:
            self._note(f"{kind} {name!r}", f"is named {key!r} there")
        if len(value) > longest:
            self._note(f"{kind} {name!r}", f"is cut to {longest} characters there")
        return key, allowed_text(value, longest)


def _batches(values: list[Any], size: int) -> list[list[Any]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
