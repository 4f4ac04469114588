"""Render what the journal tells into the run's artifacts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
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

_STEPPED = ("histograms", "probabilities", "samples")
"""Kinds of lines of which there are pictures over training."""
_LATEST = ("samples", "histograms", "losses")


class Gallery:
    """Follows a run's journal and renders each picture once; with ``pictures`` "last" in run.json only the last ones.

    Args:
        directory: The run's folder.
        run: Its run.json.

    Attributes:
        position: Byte of the journal up to which everything is rendered.
        session: Key of the run's last process, as far as it is read.
        status: How that process ended; None while it trains.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any]) -> None:
        self._directory, self._run = directory, run
        self._draws_all = run.get("pictures", "all") == "all"
        self._lines: dict[str, list[Line]] = {kind: [] for kind in _STEPPED}
        self._scores: list[Line] = []
        self._rendered: tuple[Line, Image.Image] | None = None
        self.session = ""
        self.status: str | None = None
        self._began = 0
        self.position = 0

    def advance(self) -> None:
        """Render what the journal has told since the last call, and the run as a whole once it has ended."""
        if self._directory.journal.stat().st_size == self.position:
            return
        news = list(read(self._directory.journal, self.position))
        for line, _ in news:
            self._note(line)
            names = self.names(line)
            if len(self._existing(names)) < len(names):
                self._write_stepped(line)
        if self._draws_all and any(line["kind"] == "samples" for line, _ in news):
            self._write_latest("samples")
            self._write_latest("histograms")
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
        self._rendered = None

    def _note(self, line: Line) -> None:
        self._began = self._began or line["time"]
        match line["kind"]:
            case "histograms" | "samples" | "probabilities" as kind:
                if not self._draws_all:
                    self._lines[kind].clear()
                self._lines[kind].append(line)
            case "metrics" if line.get("details"):
                self._scores.append(line)
            case "session":
                self.session, self.status = line["key"], None
            case "status":
                self.status = line["status"]

    @property
    def _is_paused(self) -> bool:
        return self.status == PAUSED

    def names(self, line: Line) -> tuple[str, ...]:
        """Return the image files, below artifacts/, that belong to a line of the journal: the PNG first.

        Where only the last pictures are drawn, they belong to the line that ends the run; see ``last``.
        """
        is_drawn = line["kind"] in _STEPPED and (line["kind"] != "histograms" or self._is_shown(line))
        return self._stepped_names(line) if is_drawn and self._draws_all else ()

    def _stepped_names(self, line: Line) -> tuple[str, str]:
        # MLflow's pages open every series of images at step 0, where the first epoch's histograms begin.
        step = 0 if line["kind"] == "histograms" and line["epoch"] == 1 else line["step"]
        return stepped_names(line["kind"], step, line["time"], self._run["nonce"])

    def last(self) -> list[str]:
        """Return the image files, below artifacts/, of the last pictures, where only those are drawn."""
        lines = [lines[-1] for lines in self._lines.values() if lines and not self._draws_all]
        return self._existing(name for line in lines for name in self._stepped_names(line))

    def latest(self) -> list[str]:
        """Return the image files, below artifacts/, that show the run's last state: they replace themselves.

        Their step is always 0. MLflow's pages show a series of one picture without a click, and those of runs that
        took different numbers of steps side by side.
        """
        return self._existing(name for key in _LATEST for name in self._latest_names(key))

    def _existing(self, names: Iterable[str]) -> list[str]:
        # Pictures do not wait for the disk: an empty one is what a power cut left.
        return [name for name in names if _is_written(self._directory.artifacts / name)]

    def _latest_names(self, key: str) -> tuple[str, str]:
        return stepped_names(f"{LATEST}{key}", 0, self._began, self._run["nonce"])

    def _write_latest(self, key: str) -> None:
        """Write the picture of the last samples or histograms, or that of the losses."""
        if key == "losses":
            losses = self._losses()
            image = images.flat(figures.loss_curves(losses)) if len(losses) else None
        else:
            lines = self._lines[key]
            image = self._render(lines[-1]) if lines else None
            if key == "samples" and image is not None and self._run["is_image"]:  # points have it in their title
                image = images.with_caption(image, f"epoch {lines[-1]['epoch']:g}")
        if image is not None:
            original, copy = self._latest_names(key)
            self._write(original, images.png(image))
            self._write(copy, images.thumbnail(image))

    def _is_shown(self, histograms: Line) -> bool:
        """Return whether histograms are of an epoch that gets a picture."""
        epoch = histograms["epoch"]
        return epoch in (1, self._run["epochs"]) or epoch % self._run["sample_every"] == 0

    def _write_stepped(self, line: Line) -> None:
        image = self._render(line)
        original, copy = self._stepped_names(line)
        self._write(original, images.png(image))
        self._write(copy, images.webp(image))

    def _render(self, line: Line) -> Image.Image:
        """Return the picture of a line; of one that was just rendered, the same."""
        if self._rendered is None or self._rendered[0] is not line:
            self._rendered = (line, self._draw(line))
        return self._rendered[1]

    def _draw(self, line: Line) -> Image.Image:
        if line["kind"] == "samples":
            samples = np.load(self._directory.samples / line["file"])
            if self._run["is_image"]:
                return images.sample_grid(samples, self._run.get("columns"))
            return images.flat(figures.scatter(samples, np.load(self._directory.real_points), line["epoch"]))
        draw = figures.histograms if line["kind"] == "histograms" else figures.probability_bars
        return images.flat(draw(np.array(line["real"]), np.array(line["fake"]), line["epoch"]))

    def _losses(self) -> np.ndarray:
        return np.fromfile(self._directory.losses, dtype="<f4").reshape(-1, 2)

    def finish(self) -> None:
        """Render the last pictures, or all those of the run as a whole with their numbers next to them."""
        self._write_latest("losses")
        if self._draws_all:
            self._write_whole()
        else:
            for kind, lines in self._lines.items():
                if lines:
                    self._write_stepped(lines[-1])
                if kind in _LATEST:
                    self._write_latest(kind)
        self._write_scores()

    def _write_whole(self) -> None:
        losses = self._losses()
        if len(losses):
            self._copy(self._latest_names("losses")[0], "figures/losses.png")
            self._write("losses.csv", _table(losses))
        histograms, samples, probabilities = (
            self._lines[kind] for kind in ("histograms", "samples", "probabilities")
        )
        if histograms:
            real, fake = (np.array([line[side] for line in histograms]) for side in ("real", "fake"))
            over_time = figures.histograms_over_time(real, fake, [line["epoch"] for line in histograms])
            self._write("figures/histograms.png", images.png(images.flat(over_time)))
            self._write("histograms.json", _histogram_data(histograms))
        if samples:
            self._copy(self._stepped_names(samples[-1])[0], "figures/samples.png")
            captions = [f"epoch {line['epoch']:g}" for line in samples]
            self._write("samples.gif", images.animation([self._image(line) for line in samples], captions))
        if probabilities:
            self._copy(self._stepped_names(probabilities[-1])[0], "figures/probabilities.png")

    def scored(self) -> list[str]:
        """Return the artifact files, below artifacts/, that change when a finished run is scored."""
        return self._existing((SCORES_FILE, GLANCE))

    def score_table(self) -> str:
        """Return the last scores as a table in Markdown, or an empty string."""
        return score_table(self._scores[-1]) if self._scores else ""

    def _write_scores(self) -> None:
        """Write all scores as a table, and the strip that shows the run at a glance with the last of them."""
        if self._scores:
            self._write(SCORES_FILE, score_rows(self._scores).encode())
        losses = self._losses()
        if not len(losses) or not self._lines["histograms"]:
            return
        last = self._lines["histograms"][-1]
        real, fake = (np.array(last[side]) for side in ("real", "fake"))
        score = last_score(self._scores)
        strip = glance(self._rows(), losses, real, fake, epoch=last["epoch"], score=score)
        self._write(GLANCE, images.png(strip))

    def _rows(self) -> Image.Image | None:
        """Return the last samples for the strip."""
        if not self._lines["samples"]:
            return None
        line = self._lines["samples"][-1]
        if not self._run["is_image"]:
            return self._render(line)
        return samples_in_rows(np.load(self._directory.samples / line["file"]))

    def whole(self) -> list[str]:
        """Return the artifact files, below artifacts/, that show the run as a whole, or at its end."""
        names = (
            p.relative_to(self._directory.artifacts) for p in self._directory.artifacts.rglob("*") if p.is_file()
        )
        return sorted(str(name) for name in names if name.parts[0] not in ("images", "model", "config")) + self.last()

    def _image(self, line: Line) -> Image.Image:
        """Return the picture of a line as it was rendered."""
        return Image.open(io.BytesIO((self._directory.artifacts / self._stepped_names(line)[0]).read_bytes()))

    def _copy(self, name: str, other: str) -> None:
        self._write(other, (self._directory.artifacts / name).read_bytes())

    def _write(self, name: str, content: bytes) -> None:
        write_atomically(self._directory.artifacts / Path(name), content, settled=False)


def _table(losses: np.ndarray) -> bytes:
    """Return every step's losses as comma-separated values, exact to the last bit of float32."""
    rows = (f"{step},{d!s},{g!s}\n" for step, (d, g) in enumerate(losses, 1))
    return ("step,discriminator,generator\n" + "".join(rows)).encode()


def _histogram_data(histograms: Sequence[Line]) -> bytes:
    bins = len(histograms[0]["real"])
    rows = [{key: line[key] for key in ("epoch", "step", "real", "fake")} for line in histograms]
    edges = [round(float(edge), 6) for edge in np.linspace(0, 1, bins + 1)]
    return json.dumps({"bin_edges": edges, "epochs": rows}).encode()


def _is_written(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
