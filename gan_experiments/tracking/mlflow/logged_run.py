"""Logs a run to MLflow; anything may be logged again without harm.

MLflow keeps one of equal values of a metric (same key, time, step and value), parameters and tags replace
themselves, files replace files of the same name: so whatever may have been lost on the way is simply sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
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
    from mlflow.entities import Metric, Param, RunTag


class LoggedRun:
    """One run in MLflow. What MLflow does not take as it is, is changed or left out, and noted.

    Args:
        client: Where it is.
        run_id: Its id.
        note: Told of each value that is changed or left out: which, and why.
        known: Its parameters so far, by name, where that is known; else they are asked for.

    Attributes:
        refusals: Sends values, without those that MLflow refuses.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        note: Callable[[str, str], None],
        known: Collection[str] | None = None,
    ) -> None:
        self._client, self._run_id, self._note, self._known = client, run_id, note, known
        self.refusals = Refusals(client, run_id, note)

    def log(
        self,
        lines: Sequence[Line] = (),
        params: Mapping[str, str] = MappingProxyType({}),
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Log values, in one request as long as MLflow refuses none of them.

        Args:
            lines: The journal's lines of metrics, whose times become those of the values.
            params: Parameters. Those that the run has stay: MLflow lets nobody change them, and a resumed run may
                have other epochs.
            tags: Tags, which replace those of the same names.
        """
        kinds = {"metric": self._metrics(lines), "parameter": self._params(params), "tag": self._tags(tags)}
        if not any(kinds.values()):
            return
        try:
            self._log_batch(**kinds)
        except Exception as error:
            self.refusals.judge(error)
            for kind, values in kinds.items():
                if values:
                    self.refusals.send(kind, values, partial(self._log_kind, kind))

    def _log_kind(self, kind: str, values: list[Any]) -> None:
        self._log_batch(**{kind: values})

    def _log_batch(
        self, metric: Sequence[Metric] = (), parameter: Sequence[Param] = (), tag: Sequence[RunTag] = ()
    ) -> None:
        self._client.log_batch(self._run_id, metrics=metric, params=parameter, tags=tag)

    def _metrics(self, lines: Sequence[Line]) -> list[Metric]:
        from mlflow.entities import Metric

        return [
            Metric(allowed_key(name), value, line["time"], line["step"])
            for line in lines
            for name, value in line["values"].items()
        ]

    def _params(self, values: Mapping[str, str]) -> list[Param]:
        """Return the parameters that the run does not have yet, cut where they are longer than MLflow takes."""
        from mlflow.entities import Param

        if not values:
            return []
        if self._known is None:
            self._known = self._client.get_run(self._run_id).data.params.keys()
        new = {name: value for name, value in values.items() if allowed_key(name) not in self._known}
        self._known = None  # what arrives of them will be seen
        return [Param(*self._fitted("parameter", name, value, LONGEST_PARAM)) for name, value in new.items()]

    def _tags(self, values: Mapping[str, str]) -> list[RunTag]:
        """Return tags, cut where they are longer than MLflow takes."""
        from mlflow.entities import RunTag

        tags = []
        for name, value in values.items():
            longest = LONGEST_RUN_NAME if name == RUN_NAME_TAG else LONGEST_TAG
            tags.append(RunTag(*self._fitted("tag", name, value, longest)))
        return tags

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

    def log_files(self, folder: Path, names: Iterable[str], whole: bool = False) -> Iterator[None]:
        """Log files below ``folder`` as artifacts of the same names.

        Args:
            folder: Where they are.
            names: Their names, with ``/`` between folders.
            whole: Whether a folder of which all files are named is logged at once.

        Yields:
            None, each time that MLflow has taken something or refused it.
        """
        by_place: dict[str, list[str]] = {}
        for name in names:
            by_place.setdefault(Path(name).parent.as_posix(), []).append(name)
        for place, inside in by_place.items():
            if whole and place != "." and len(inside) > 1 and {*inside} == _content(folder, place):
                parts = [inside]
            else:
                parts = [[name] for name in inside]
            for part in parts:
                self.refusals.send("file", part, partial(self._send_files, folder, place, len(inside)))
                yield

    def _send_files(self, folder: Path, place: str, everything: int, names: list[str]) -> None:
        """Send files that lie in one folder, ``everything`` being how many it has."""
        if len(names) == everything > 1:
            self._client.log_artifacts(self._run_id, str(folder / place), place)
            return
        for name in names:
            self._client.log_artifact(self._run_id, str(folder / name), None if place == "." else place)

    def _fitted(self, kind: str, name: str, value: str, longest: int) -> tuple[str, str]:
        """Return a key and a value as MLflow takes them."""
        key = allowed_key(name)
        if key != name:
            self._note(f"{kind} {name!r}", f"is named {key!r} there")
        if len(value) > longest:
            self._note(f"{kind} {name!r}", f"is cut to {longest} characters there")
        return key, allowed_text(value, longest)


def _content(folder: Path, place: str) -> set[str]:
    """Return the names of everything in the folder ``place`` below ``folder``, if that is there."""
    return {f"{place}/{entry.name}" for entry in (folder / place).glob("*")}
