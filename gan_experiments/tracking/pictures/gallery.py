"""Render what the journal tells into the run's artifacts."""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_experiments.tracking.journal import PAUSED, Line, read
from gan_experiments.tracking.mlflow.private_formats import stepped_names
from gan_experiments.tracking.mlflow.shown import GLANCE, LATEST
from gan_experiments.tracking.pictures import figures, images
from gan_experiments.tracking.pictures.glance import glance, samples_in_rows
from gan_experiments.tracking.pictures.scores import last_score, score_rows, score_table
from gan_experiments.tracking.run_directory import RunDirectory, write_atomically

SCORES_FILE = "scores.csv"
"""Artifact with all scores, their errors and those of real data."""


class Gallery:
    """Follows a run's journal and renders each picture once.

    Args:
        directory: The run's folder.
        run: Its run.json.

    Attributes:
        position: Byte of the journal up to which everything is rendered.
        status: How the run's last process ended, as far as it is rendered; None while it trains.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any]) -> None:
        self._directory, self._run = directory, run
        self._histograms: list[Line] = []
        self._samples: list[Line] = []
        self._probabilities: Line | None = None
        self._scores: list[Line] = []
        self.status: str | None = None
        self._began = 0
        self.position = 0

    def advance(self) -> None:
        """Render what the journal has told since the last call, and the run as a whole once it has ended."""
        news = list(read(self._directory.journal, self.position))
        for line, _ in news:
            self._began = self._began or line["time"]
            match line["kind"]:
                case "histograms":
                    self._histograms.append(line)
                case "samples":
                    self._samples.append(line)
                case "probabilities":
                    self._probabilities = line
                case "metrics" if line.get("details"):
                    self._scores.append(line)
                case "session" | "status":
                    self.status = line.get("status")
            if not all((self._directory.artifacts / name).exists() for name in self.names(line)):
                self._write_stepped(line)
        if any(line["kind"] == "samples" for line, _ in news):
            self._write_latest("samples", self._captioned(self._samples[-1]))
            if self._histograms:
                self._write_latest("histograms", self._render(self._histograms[-1]))
        if news:
            last, end = news[-1]
            if last["kind"] == "status":
                if not self._is_paused:  # of one that may go on, nobody needs pictures of the whole yet
                    self.finish()
            elif (
                self.status is not None and not self._is_paused and any(line.get("details") for line, _ in news)
            ):  # scored after its end
                self._write_scores()
            self.position = end

    @property
    def _is_paused(self) -> bool:
        return self.status == PAUSED

    def names(self, line: Line) -> tuple[str, ...]:
        """Return the image files, below artifacts/, that belong to a line of the journal: the PNG first."""
        if line["kind"] not in ("samples", "probabilities") and not self._is_shown(line):
            return ()
        # MLflow's pages open every series of images at step 0, where the first epoch's histograms begin.
        step = 0 if line["kind"] == "histograms" and line["epoch"] == 1 else line["step"]
        return stepped_names(line["kind"], step, line["time"], self._run["nonce"])

    def latest(self) -> list[str]:
        """Return the image files, below artifacts/, that show the run's last state: they replace themselves.

        Their step is always 0. MLflow's pages show a series of one picture without a click, and those of runs that
        took different numbers of steps side by side.
        """
        names = (name for key in ("samples", "histograms", "losses") for name in self._latest_names(key))
        return [name for name in names if (self._directory.artifacts / name).exists()]

    def _latest_names(self, key: str) -> tuple[str, str]:
        return stepped_names(f"{LATEST}{key}", 0, self._began, self._run["nonce"])

    def _write_latest(self, key: str, image: Image.Image) -> None:
        original, copy = self._latest_names(key)
        self._write(original, images.png(image))
        self._write(copy, images.thumbnail(image))

    def _captioned(self, line: Line) -> Image.Image:
        """Return the picture of samples, with its epoch unless it says so itself."""
        image = self._image(line)
        return images.with_caption(image, f"epoch {line['epoch']:g}") if self._run["is_image"] else image

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
                return images.sample_grid(samples, self._run.get("columns"))
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
            curves = images.rasterise(figures.loss_curves(losses))
            self._write("figures/losses.png", images.png(curves))
            self._write_latest("losses", curves)
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
        self._write_scores()

    def scored(self) -> list[str]:
        """Return the artifact files, below artifacts/, that change when a finished run is scored."""
        return [name for name in (SCORES_FILE, GLANCE) if (self._directory.artifacts / name).exists()]

    def score_table(self) -> str:
        """Return the last scores as a table in Markdown, or an empty string."""
        return score_table(self._scores[-1]) if self._scores else ""

    def _write_scores(self) -> None:
        """Write all scores as a table, and the strip that shows the run at a glance with the last of them."""
        if self._scores:
            self._write(SCORES_FILE, score_rows(self._scores).encode())
        losses = np.fromfile(self._directory.losses, dtype="<f4").reshape(-1, 2)
        if not len(losses) or not self._histograms:
            return
        last = self._histograms[-1]
        real, fake = (np.array(last[side]) for side in ("real", "fake"))
        score = last_score(self._scores)
        strip = glance(self._rows(), losses, real, fake, epoch=last["epoch"], score=score)
        self._write(GLANCE, images.png(strip))

    def _rows(self) -> Image.Image | None:
        """Return the last samples for the strip."""
        if not self._samples:
            return None
        line = self._samples[-1]
        if not self._run["is_image"]:
            return self._image(line)
        return samples_in_rows(np.load(self._directory.samples / line["file"]))

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
