"""One run from the command to MLflow: what a person finds when it has finished, failed or been stopped."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shlex
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf
from PIL import Image, ImageSequence

from gan_experiments.data import digits
from gan_experiments.runs.saved_networks import load_networks
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from tests.support.finished_runs import BATCH, ENDS, EPOCHS, IMAGES, LOG_EVERY, SAMPLED, FinishedRuns
from tests.support.real_runs import (
    OFF,
    TINY,
    Ended,
    call,
    client,
    database,
    end,
    lines,
    only_run,
    run_id,
    start,
    succeed,
    until_epoch,
)
from tests.support.terminals import shown_by

pytestmark = pytest.mark.slow

NAME = f"experiment=quickstart epochs={EPOCHS}"
EPOCH_METRICS = (
    "loss/discriminator",
    "loss/generator",
    "prob/real",
    "prob/fake",
    "prob/accuracy",
    "training/grad_norm_discriminator",
    "training/grad_norm_generator",
    "training/rate_discriminator",
    "training/rate_generator",
    "training/steps_per_second",
    "training/epoch",
)


@pytest.fixture(scope="module")
def directory(finished_runs: FinishedRuns) -> RunDirectory:
    return finished_runs.directories[0]


@pytest.fixture(scope="module")
def losses(directory: RunDirectory) -> np.ndarray:
    """Of D and of G at every step, ``[S, 2]``."""
    return np.fromfile(directory.losses, "<f4").reshape(-1, 2)


def history(uri: str, run: str, metric: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in client(uri).get_metric_history(run, metric))


def test_it_is_finished_in_mlflow(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    for each in finished_runs.directories:
        assert client(finished_runs.uri).get_run(run_id(each)).info.status == "FINISHED"
    assert client(finished_runs.uri).get_run(run_id(directory)).data.tags["status_reason"] == "all epochs are done"
    assert directory.log.read_text() == ""


def test_two_runs_that_start_together_are_two_runs_of_one_experiment(finished_runs: FinishedRuns) -> None:
    found = client(finished_runs.uri).search_runs(
        [client(finished_runs.uri).get_experiment_by_name("gan").experiment_id]
    )
    assert {run.info.run_id for run in found} == {run_id(each) for each in finished_runs.directories}
    assert {run.info.run_name for run in found} == {NAME, f"{NAME} lr=0.001 seed=1"}


@pytest.mark.parametrize("metric", EPOCH_METRICS)
def test_a_metric_is_there_at_every_epoch(metric: str, finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    points = history(finished_runs.uri, run_id(directory), metric)
    assert [step for step, _ in points] == ENDS
    values = np.array([value for _, value in points])
    assert np.isfinite(values).all()
    if metric.startswith(("prob/", "accuracy/")):
        assert ((values > 0) & (values <= 1)).all()


def test_losses_of_an_epoch_are_the_means_of_its_steps(
    finished_runs: FinishedRuns, directory: RunDirectory, losses: np.ndarray
) -> None:
    assert len(losses) == ENDS[-1]
    for column, player in enumerate(("discriminator", "generator")):
        means = [losses[first:last, column].mean() for first, last in itertools.pairwise([0, *ENDS])]
        stored = [value for _, value in history(finished_runs.uri, run_id(directory), f"loss/{player}")]
        assert stored == pytest.approx(means, rel=1e-5)


def test_single_steps_losses_are_there_every_so_often(
    finished_runs: FinishedRuns, directory: RunDirectory, losses: np.ndarray
) -> None:
    for column, player in enumerate(("discriminator", "generator")):
        expected = [(step, float(losses[step - 1, column])) for step in range(LOG_EVERY, len(losses) + 1, LOG_EVERY)]
        assert history(finished_runs.uri, run_id(directory), f"step_loss/{player}") == expected


def test_the_machine_was_watched(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    for metric in ("cpu_utilization_percentage", "system_memory_usage_percentage"):
        assert len(history(finished_runs.uri, run_id(directory), f"system/{metric}")) >= 2


def leaves(node: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(node, dict) or not node:
        return {prefix[:-1]: node}
    return {key: leaf for name, child in node.items() for key, leaf in leaves(child, f"{prefix}{name}.").items()}


def test_parameters_say_something_and_the_whole_configuration_is_an_artifact(
    finished_runs: FinishedRuns, directory: RunDirectory
) -> None:
    params = client(finished_runs.uri).get_run(run_id(directory)).data.params
    composed = OmegaConf.to_container(OmegaConf.load(directory.path / ".hydra" / "config.yaml"), resolve=True)
    assert params == {
        "experiment": "quickstart",
        "data.name": "digits",
        "model.name": "mlp_small",
        "model.latent_dim": "100",
        "objective.name": "non_saturating",
        "train.epochs": str(EPOCHS),
        "train.batch_size": "52",
        "train.lr": "0.0002",
        "seed": "0",
    }
    logged = yaml.safe_load((directory.artifacts / "config" / "config.yaml").read_text())
    assert leaves(logged) == leaves(composed)


def test_tags_say_what_ran_where_with_what(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    tags = client(finished_runs.uri).get_run(run_id(directory)).data.tags
    assert tags["overrides"].split()[:2] == ["experiment=quickstart", f"train.epochs={EPOCHS}"]
    assert tags["host"] == socket.gethostname()
    assert tags["device"].startswith("cuda" if torch.cuda.is_available() else "cpu")
    assert torch.__version__.startswith(tags["version.torch"])  # less which build of it
    assert tags["run_directory"] == str(directory.path)
    assert {"version.python", "version.mlflow", "version.hydra-core", "mlflow.user"} <= tags.keys()
    if (Path(__file__).parents[1] / ".git").exists():
        assert len(tags["mlflow.source.git.commit"]) == 40


def test_the_data_set_is_an_input_with_its_digest(finished_runs: FinishedRuns) -> None:
    data = digits.load("digits", "", 28, False)
    for each in finished_runs.directories:
        (given,) = client(finished_runs.uri).get_run(run_id(each)).inputs.dataset_inputs
        assert given.dataset.name == "digits"
        assert data.digest.startswith(given.dataset.digest)
        assert len(given.dataset.digest) >= 32
        assert json.loads(given.dataset.profile)["features_shape"] == [IMAGES, 1, 28, 28]


def artifacts(uri: str, run: str, folder: str = "") -> set[str]:
    found = client(uri).list_artifacts(run, folder)
    return {item.path for item in found if not item.is_dir}.union(
        *(artifacts(uri, run, item.path) for item in found if item.is_dir)
    )


def test_mlflow_has_every_file_that_the_folder_has(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    local = {str(path.relative_to(directory.artifacts)) for path in directory.artifacts.rglob("*") if path.is_file()}
    local = {name for name in local if not name.startswith("model/")}  # the logged model has these
    assert artifacts(finished_runs.uri, run_id(directory)) == local
    assert {
        "config/config.yaml",
        "losses.csv",
        "histograms.json",
        "samples.gif",
        "figures/losses.png",
        "figures/histograms.png",
        "figures/probabilities.png",
        "figures/samples.png",
        "figures/glance.png",
        "scores.csv",
    } <= local


def pictures(directory: RunDirectory, key: str) -> dict[int, np.ndarray]:
    """The stepped images of a run under a key, by step."""
    found = {}
    for path in directory.artifacts.glob(f"images/{key}+step+*.png"):
        found[int(path.name.split("+")[2])] = np.asarray(Image.open(path).convert("RGB"))
    return dict(sorted(found.items()))


def all_different(images: Sequence[np.ndarray]) -> bool:
    return not any(np.array_equal(a, b) for a, b in itertools.combinations(images, 2))


@pytest.mark.parametrize(
    ("key", "steps"),
    [("samples", SAMPLED), ("histograms", SAMPLED), ("probabilities", [ENDS[-1]])],
)
def test_pictures_can_be_stepped_through(key: str, steps: list[int], directory: RunDirectory) -> None:
    found = pictures(directory, key)
    assert list(found) == steps
    assert all(image.std() > 5 for image in found.values())  # none is blank
    assert all_different(list(found.values()))
    assert len({image.shape for image in found.values()}) == 1


def test_the_animation_shows_every_sample_grid(directory: RunDirectory) -> None:
    with Image.open(directory.artifacts / "samples.gif") as animation:
        frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(animation)]
    assert len(frames) == len(SAMPLED)
    assert all_different(frames)


def test_histograms_are_kept_as_counts(directory: RunDirectory) -> None:
    data = json.loads((directory.artifacts / "histograms.json").read_text())
    assert data["bin_edges"][0] == 0
    assert data["bin_edges"][-1] == 1
    assert [row["step"] for row in data["epochs"]] == ENDS
    for row, (first, last) in zip(data["epochs"], itertools.pairwise([0, *ENDS]), strict=True):
        assert len(row["real"]) == len(row["fake"]) == len(data["bin_edges"]) - 1
        assert sum(row["real"]) == sum(row["fake"]) == (last - first) * BATCH


def test_every_steps_losses_are_one_table(directory: RunDirectory, losses: np.ndarray) -> None:
    with (directory.artifacts / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, len(losses) + 1))
    table = [[np.float32(row["discriminator"]), np.float32(row["generator"])] for row in rows]
    assert np.array_equal(np.array(table), losses)


def test_the_logged_model_draws_as_the_run_s_generator(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    stored = client(finished_runs.uri).get_run(run_id(directory))
    (output,) = stored.outputs.model_outputs
    import mlflow

    mlflow.set_tracking_uri(finished_runs.uri)
    try:
        model = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # and its variable
    latents = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    drawn = model.predict(latents.numpy())
    assert drawn.shape == (4, 1, 28, 28)
    assert drawn.dtype == np.uint8
    networks = load_networks(checkpoint.load(directory.checkpoint))
    with torch.no_grad():
        expected = digits.load("digits", "", 28, False).denormalise(networks.generator(latents)).numpy()
    assert np.array_equal(drawn, expected)


def test_the_last_lines_say_where_everything_is(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    score, trained, shown, identity, browse, page, others, model = finished_runs.ended[0].out
    stored = lines(directory, "metrics", "eval")[-1]["values"]["eval/frechet_classifier_distance"]
    real = next(line["values"] for line in lines(directory, "tags") if "evaluate.samples" in line["values"])
    floor = float(real["evaluate.floor.frechet_classifier_distance"])
    meaning = f"Fréchet classifier distance {stored:.4g} (lower is better; real data {floor:.3g})"
    assert score == f"score     {meaning}"
    assert re.fullmatch(rf"trained   {EPOCHS} epochs in \d+ s", trained)
    assert shown.split() == ["pictures", str(directory.artifacts / "figures" / "samples.png")]
    assert identity.split()[:2] == ["run", run_id(directory)]
    assert NAME in identity
    command = shlex.split(browse)
    assert command[:-1] == ["browse", "mlflow", "ui", "--backend-store-uri", finished_runs.uri, "--port"]
    experiment = f"http://127.0.0.1:{command[-1]}/#/experiments/1/runs"
    assert page.split() == ["page", f"{experiment}/{run_id(directory)}?workflowType=machine_learning"]
    assert others.split() == ["all", "runs", f"{experiment}?workflowType=machine_learning"]
    assert re.fullmatch(r"model     MLFLOW_TRACKING_URI=.* mlflow models predict -m models:/m-\w{32} .*", model)


def test_away_from_a_terminal_progress_is_plain_lines(finished_runs: FinishedRuns) -> None:
    for ended in finished_runs.ended:
        start, *progress = (line for line in ended.err if not line.startswith("time      about "))
        assert start.startswith("start     ")
        assert len(progress) == EPOCHS
        assert all(line.startswith("epoch ") and "\r" not in line and "\033" not in line for line in progress)


def test_the_log_of_a_run_holds_what_was_said(finished_runs: FinishedRuns, directory: RunDirectory) -> None:
    logged = [line.partition(" - ")[2] for line in directory.run_log.read_text().splitlines()]
    ended = finished_runs.ended[0]
    scores = [line for line in logged if line.startswith("score ") and line not in ended.out]
    assert [line for line in logged if line not in scores] == [*ended.err, *ended.out]
    assert scores[-1].endswith(f" after epoch {EPOCHS}")


def test_without_mlflow_everything_is_on_disk(tmp_path: Path) -> None:
    ended = succeed(tmp_path, *TINY, "tracking=off", "train.epochs=2", "train.batch_size=52")
    directory = only_run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}
    assert len(lines(directory, "metrics", "epoch")) == 2
    assert len(directory.losses.read_bytes()) == 8 * ENDS[1]
    assert checkpoint.load(directory.checkpoint)["step"] == ENDS[1]
    assert (directory.artifacts / "figures" / "losses.png").exists()
    assert list(pictures(directory, "samples")) == [0, ENDS[1]]
    _, _, shown, identity = ended.out
    assert shown.split() == ["pictures", str(directory.artifacts / "figures" / "samples.png")]
    assert "not tracked" in identity
    assert directory.log.read_text() == ""


def test_on_a_terminal_progress_is_a_live_bar(tmp_path: Path) -> None:
    written = shown_by(["-m", "gan_experiments.run", *TINY, *OFF, "train.epochs=3"], 120, tmp_path)
    drawn = [line.strip() for line in written.replace("\033[J", "").split("\r") if line.strip()]
    assert drawn[0] == "starting …"
    *_, last = (line for line in drawn if line.startswith("epoch"))
    for part in ("epoch 3/3", "0:00 left", "loss D", "D(x)", "D(G(z))"):
        assert part in last
    assert any(line.startswith("start     ") for line in drawn)
    assert max(len(line) for line in drawn if line.startswith("epoch")) < 120


def test_a_run_that_diverges_has_failed_and_says_why(workplace: Path) -> None:
    ended = call(workplace, *TINY, "train.lr=1e30", "train.epochs=3")
    assert ended.status == 1
    directory = only_run(workplace)
    error = ended.err[-1]
    assert error.startswith("error: the run failed: ")
    assert " is nan at step " in error
    assert str(directory.checkpoint) in error
    assert all(line.startswith(("start ", "time ", "epoch ")) for line in ended.err[:-1])
    assert f"[ERROR] - {error}" in directory.run_log.read_text()
    stored = client(database(workplace)).get_run(run_id(directory))
    assert stored.info.status == "FAILED"
    assert stored.data.tags["status_reason"] in error
    state = checkpoint.load(directory.checkpoint)
    for player in ("generator", "discriminator"):
        assert all(bool(tensor.isfinite().all()) for tensor in state["step_state"][player].values())
    assert run_id(directory) in ended.out[1]


def test_a_run_that_is_stopped_is_resumed_by_what_it_prints(workplace: Path) -> None:
    """By its terminal's end at first, then by Ctrl-C; then it is asked for fewer epochs, and finishes."""
    process = start(workplace, *TINY, "train.batch_size=52", "train.epochs=2000", "train.checkpoint_every=9000")
    directory = until_epoch(workplace, 3)
    for number, status in ((signal.SIGHUP, 129), (signal.SIGINT, 130)):
        os.killpg(process.pid, number)  # as a terminal does with Ctrl-C
        ended = end(process)
        assert ended.status == status
        said = ("start ", "time ", "epoch ", "stopping with a checkpoint")
        assert all(line.startswith(said) for line in ended.err)
        step = checkpoint.load(directory.checkpoint)["step"]
        epoch = max(line["epoch"] for line in lines(directory, "metrics", "epoch"))
        assert 3 * IMAGES <= epoch * IMAGES <= step * BATCH
        stopped = client(database(workplace)).get_run(run_id(directory))
        assert stopped.info.status == "KILLED"
        assert stopped.data.tags["status_reason"] == f"stopped by {number.name} after step {step} of 69116"
        command = printed(ended, "resume")
        if number is signal.SIGHUP:
            process = start(workplace, *command)
            until_epoch(workplace, int(epoch) + 3)

    fewer = int(epoch) + 10
    succeed(workplace, *command, f"train.epochs={fewer}")
    last = -(-fewer * IMAGES // BATCH)
    assert checkpoint.load(directory.checkpoint)["step"] == last
    assert len(directory.losses.read_bytes()) == 8 * last
    finished = client(database(workplace)).get_run(run_id(directory))
    assert finished.info.status == "FINISHED"
    points = history(database(workplace), run_id(directory), "training/epoch")
    assert [value for _, value in points] == list(range(1, fewer + 1))
    assert only_run(workplace).path == directory.path


def printed(ended: Ended, what: str) -> list[str]:
    """The overrides of a command that a run printed, as a shell understands it."""
    (line,) = (line for line in ended.out if line.startswith(f"{what} "))
    _, *python = shlex.split(line)[:4]
    assert python == ["python", "-m", "gan_experiments.run"]
    return shlex.split(line)[4:]
