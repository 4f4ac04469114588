"""TensorBoard: scalars, images, histograms and hyperparameters, in one event file a run below a log directory."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from gan_experiments.errors import UserError
from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.naming import is_silent
from gan_experiments.tracking.trackers.tracker import Tracker

_PORT = 6006


class TensorBoard(Tracker):
    """Writes ``FOLDER/experiment[/sweep]/name/events.out.tfevents.NONCE`` for the destination ``tensorboard:FOLDER``.

    The file's size is remembered with the journal's position, and what lies behind it is cut off before more is
    written: each value is there once, however the process ended.
    """

    title = "TensorBoard"

    @classmethod
    def check(cls, uri: str) -> str:
        """Make sure that TensorBoard is installed, and that its log directory can be made or written."""
        if find_spec("tensorboard") is None:
            raise UserError("tracking=tensorboard: is not installed; pip install 'gan-experiments[tensorboard]'")
        folder = _folder(uri).absolute()
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK):
            raise UserError(f"tracking.uri={uri}: must be tensorboard:FOLDER; {existing} is no folder to write to")
        return f"tensorboard:{folder}"

    @classmethod
    def links(cls, uri: str, delivered: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Return the command that serves the log directory's pages, and the page of a run that is alone."""
        command = ("browse", f"tensorboard --logdir {shlex.quote(str(_folder(uri)))} --port {_PORT}")
        address = f"http://localhost:{_PORT}/"
        if len(delivered) != 1:
            return [command, ("page", address)]
        shown = quote(f"^{re.escape(delivered[0]['run_id'])}$")  # of all runs, the page draws those that match
        return [command, ("page", f"{address}?runFilter={shown}#timeseries")]

    def _open(self) -> None:
        if "run_id" not in self._state:
            self._remember(run_id=self._make_folder(), size=0)
        self._file = _folder(self._uri) / self._state["run_id"] / f"events.out.tfevents.{self._run['nonce']}"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch()
        is_removed = self._file.stat().st_size < self._state["size"]
        if is_removed or self._state["position"] == 0:  # by the user; or all is to be sent again
            self._state |= {"position": 0, "size": 0}

    def _make_folder(self) -> str:
        """Make the run's folder, and return its path below the log directory: TensorBoard's name of the run."""
        tags = (line["values"] for line, _ in read(self._directory.journal) if line["kind"] == "tags")
        parts = filter(None, (self._run["experiment"], next(tags).get("sweep"), self._run["name"]))
        run_id = "/".join(re.sub(r"^\.+|/", "_", part).encode()[:200].decode(errors="ignore") for part in parts)
        try:
            (_folder(self._uri) / run_id).mkdir(parents=True)
        except FileExistsError:  # another run has this name
            run_id = f"{run_id} {self._run['nonce'][:8]}"
        return run_id

    def _send(self, lines: list[Line]) -> None:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        proto: Any = event_pb2  # its classes are made when it is imported
        size = self._state["size"]
        with self._file.open("r+b") as file:
            file.truncate(size)
            file.seek(size)
            writer = RecordWriter(file)
            if size == 0:
                writer.write(proto.Event(file_version="brain.Event:2").SerializeToString())
            for line in lines:
                event = proto.Event(wall_time=line["time"] / 1000, step=line["step"], summary=self._show(line))
                writer.write(event.SerializeToString())
            self._state["size"] = file.tell()
        self._note_answer()

    def _show(self, line: Line) -> Any:
        """Return what TensorBoard shows of a line of the journal, as its ``Summary``."""
        from tensorboard.compat.proto import summary_pb2
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        proto: Any = summary_pb2
        shown = proto.Summary()
        match line["kind"]:
            case "metrics" | "system":
                for tag, value in line["values"].items():
                    shown.value.add(tag=tag, simple_value=value)
            case "histograms":
                limits = np.linspace(0, 1, len(line["real"]) + 1)[1:]
                for side in ("real", "fake"):
                    histogram = proto.HistogramProto(
                        max=1, num=sum(line[side]), bucket_limit=limits, bucket=line[side]
                    )
                    shown.value.add(tag=f"histograms/{side}", histo=histogram)
            case "samples" | "probabilities" | "figure" | "status":
                for file in self._pictures(line):
                    with Image.open(file) as image:
                        size = {"width": image.width, "height": image.height, "colorspace": 3}
                    picture = proto.Summary.Image(encoded_image_string=file.read_bytes(), **size)
                    shown.value.add(tag=f"pictures/{file.stem.partition('+')[0]}", image=picture)
            case "params":
                known = ((key, text) for key, text in line["values"].items() if not is_silent(key) and text != "null")
                values = {key: _number(text) for key, text in known if not key.endswith("._target_")}
                shown = hparams_pb(values, self._state["run_id"], line["time"] / 1000)
        return shown

    def _pictures(self, line: Line) -> list[Path]:
        """Return the pictures that belong to a line; TensorBoard draws histograms itself."""
        match line["kind"]:
            case "figure":
                names = [line["file"]]
            case "status":
                names = [name for name in self._gallery.last() if not name.startswith("images/histograms")]
            case _:
                names = self._gallery.names(line)
        return [self._directory.artifacts / name for name in names if name.endswith(".png")]


def _folder(uri: str) -> Path:
    return Path(uri.removeprefix("tensorboard:"))


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


TRACKER = TensorBoard
