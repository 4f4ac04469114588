"""Render what the journal tells into the run's artifacts."""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.mlflow.private_formats import stepped_names
from gan_experiments.tracking.pictures import figures, images
from gan_experiments.tracking.run_directory import RunDirectory, write_atomically


class Gallery:
    """Follows a run's journal and renders each picture once.

    Args:
        directory: The run's folder.
        run: Its run.json.

    Attributes:
        position: Byte of the journal up to which everything is rendered.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any]) -> None:
        self._directory, self._run = directory, run
        self._histograms: list[Line] = []
        self._samples: list[Line] = []
        self._probabilities: Line | None = None
        self.position = 0

    def advance(self) -> None:
        """Render what the journal has told since the last call, and the run as a whole once it has ended."""
        news = list(read(self._directory.journal, self.position))
        for line, _ in news:
            if line["kind"] == "histograms":
                self._histograms.append(line)
            elif line["kind"] == "samples":
                self._samples.append(line)
            elif line["kind"] == "probabilities":
                self._probabilities = line
            if not all((self._directory.artifacts / name).exists() for name in self.names(line)):
                self._write_stepped(line)
        if news:
            last, end = news[-1]
            if last["kind"] == "status":
                self.finish()
            self.position = end

    def names(self, line: Line) -> tuple[str, ...]:
        """Return the image files, below artifacts/, that belong to a line of the journal: the PNG first."""
        if line["kind"] not in ("samples", "probabilities") and not self._is_shown(line):
            return ()
        # MLflow's pages open every series of images at step 0, where the first epoch's histograms begin.
        step = 0 if line["kind"] == "histograms" and line["epoch"] == 1 else line["step"]
        return stepped_names(line["kind"], step, line["time"], self._run["nonce"])

    def _is_shown(self, line: Line) -> bool:
        """Return whether a line is of histograms, and of an epoch whose histograms get a picture."""
        epoch = line["epoch"]
        return line["kind"] == "histograms" and (
            epoch in (1, self._run["epochs"]) or epoch % self._run["sample_every"] == 0
        )

    @cached_property
    def _histogram(self) -> figures.HistogramFigure:
        return figures.HistogramFigure()

    def _write_stepped(self, line: Line) -> None:
        image = self._render(line)
        original, copy = self.names(line)
        self._write(original, images.png(image))
        self._write(copy, images.webp(image))

    def _render(self, line: Line) -> Image.Image:
        if line["kind"] == "samples":
            samples = np.load(self._directory.samples / line["file"])
            if self._run["is_image"]:
                return images.sample_grid(samples)
            real = np.load(self._directory.real_points)
            return images.rasterise(figures.scatter(samples, real, line["epoch"]))
        real, fake = np.array(line["real"]), np.array(line["fake"])
        if line["kind"] == "histograms":
            return Image.fromarray(self._histogram.render(real, fake, line["epoch"])).convert("RGB")
        return images.rasterise(figures.probability_bars(real, fake, line["epoch"]))

    def finish(self) -> None:
        """Render the pictures of the run as a whole, and write their numbers next to them."""
        losses = np.fromfile(self._directory.losses, dtype="<f4").reshape(-1, 2)
        if len(losses):
            self._write("figures/losses.png", images.png(images.rasterise(figures.loss_curves(losses))))
            self._write("losses.csv", _table(losses))
        if self._histograms:
            real, fake = (np.array([line[side] for line in self._histograms]) for side in ("real", "fake"))
            epochs = [line["epoch"] for line in self._histograms]
            over_time = figures.histograms_over_time(real, fake, epochs)
            self._write("figures/histograms.png", images.png(images.rasterise(over_time)))
            self._write("histograms.json", self._histogram_data())
        if self._samples:
            frames = [self._image(line) for line in self._samples]
            self._write("figures/samples.png", images.png(frames[-1]))
            captions = [f"epoch {line['epoch']:g}" for line in self._samples]
            self._write("samples.gif", images.animation(frames, captions))
        if self._probabilities is not None:
            self._write("figures/probabilities.png", images.png(self._image(self._probabilities)))

    def whole(self) -> list[str]:
        """Return the artifact files, below artifacts/, that show the run as a whole."""
        names = (
            p.relative_to(self._directory.artifacts) for p in self._directory.artifacts.rglob("*") if p.is_file()
        )
        return sorted(str(name) for name in names if name.parts[0] not in ("images", "model", "config"))

    def _image(self, line: Line) -> Image.Image:
        """Return the picture of a line as it was rendered."""
        content = (self._directory.artifacts / self.names(line)[0]).read_bytes()
        return Image.open(io.BytesIO(content))

    def _histogram_data(self) -> bytes:
        bins = len(self._histograms[0]["real"])
        rows = [{key: line[key] for key in ("epoch", "step", "real", "fake")} for line in self._histograms]
        edges = [round(float(edge), 6) for edge in np.linspace(0, 1, bins + 1)]
        return json.dumps({"bin_edges": edges, "epochs": rows}).encode()

    def _write(self, name: str, content: bytes) -> None:
        write_atomically(self._directory.artifacts / Path(name), content)


def _table(losses: np.ndarray) -> bytes:
    """Return every step's losses as comma-separated values, exact to the last bit of float32."""
    rows = (f"{step},{d!s},{g!s}\n" for step, (d, g) in enumerate(losses, 1))
    return ("step,discriminator,generator\n" + "".join(rows)).encode()
