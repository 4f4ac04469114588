"""TensorBoard's event files, read back as TensorBoard reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.trackers import tensorboard
from tests.support import hand_made
from tests.support.commands import Command
from tests.support.hand_made import STEPS, HandMadeRun
from tests.support.real_runs import lines

EVERYTHING = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
TINY = ("model=mlp_small", "train.epochs=1")
RUN_ID = "gan/lr=0.1"
"""Experiment and name of the run made by hand."""


def _stored(logs: Path, run_id: str = RUN_ID) -> EventAccumulator:
    """What TensorBoard finds in the folder of a run."""
    found = EventAccumulator(str(logs / run_id), size_guidance=EVERYTHING, purge_orphaned_data=False)
    return found.Reload()


def _scalars(stored: EventAccumulator) -> dict[str, list[tuple[int, float]]]:
    return {tag: [(each.step, each.value) for each in stored.Scalars(tag)] for tag in stored.Tags()["scalars"]}


def _expected(run: HandMadeRun) -> dict[str, list[tuple[int, float]]]:
    """Every value once, as float32: TensorBoard keeps no more of a scalar."""
    return {
        tag: [(step, float(np.float32(value))) for step, value in values]
        for tag, values in run.expected_metrics().items()
    }


def test_every_scalar_arrives_once_with_the_journal_s_time(recorded: HandMadeRun, tmp_path: Path) -> None:
    assert synchronise(recorded.directory, "tensorboard:logs") == RUN_ID
    stored = _stored(tmp_path / "logs")
    assert _scalars(stored) == _expected(recorded)
    times = [line["time"] / 1000 for line in lines(recorded.directory, "metrics", "epoch")]
    assert [each.wall_time for each in stored.Scalars("loss/generator")] == times


def test_pictures_are_those_of_the_run_s_folder(recorded: HandMadeRun, tmp_path: Path) -> None:
    synchronise(recorded.directory, "tensorboard:logs")
    stored = _stored(tmp_path / "logs")
    assert stored.Tags()["images"] == ["pictures/samples", "pictures/probabilities"]
    images = stored.Images("pictures/samples")
    assert [image.step for image in images] == [0, 2 * STEPS, 4 * STEPS, 6 * STEPS]
    for image in images:
        (file,) = recorded.directory.artifacts.glob(f"images/samples+step+{image.step}+*.png")
        assert image.encoded_image_string == file.read_bytes()
        with Image.open(file) as picture:
            assert (image.width, image.height) == picture.size


def test_histograms_have_the_journal_s_counts(recorded: HandMadeRun, tmp_path: Path) -> None:
    synchronise(recorded.directory, "tensorboard:logs")
    stored = _stored(tmp_path / "logs")
    for side in ("real", "fake"):
        histograms = stored.Histograms(f"histograms/{side}")
        journal = lines(recorded.directory, "histograms")
        assert [each.step for each in histograms] == [line["step"] for line in journal]
        for each, line in zip(histograms, journal, strict=True):
            assert list(each.histogram_value.bucket) == line[side]
            assert each.histogram_value.num == sum(line[side])
            assert each.histogram_value.bucket_limit == pytest.approx(np.linspace(0, 1, 51)[1:])


def test_hyperparameters_are_numbers_where_they_can_be(recorded: HandMadeRun, tmp_path: Path) -> None:
    synchronise(recorded.directory, "tensorboard:logs")
    plugin = _stored(tmp_path / "logs").SummaryMetadata("_hparams_/session_start_info").plugin_data
    told = plugin_data_pb2.HParamsPluginData.FromString(plugin.content).session_start_info
    assert told.group_name == RUN_ID
    assert told.hparams["train.epochs"].number_value == 6
    assert told.hparams["train.betas"].string_value == "[0.9, 0.999]"
    assert not {"seed", "model._target_"} & set(told.hparams)  # the seed is null


def test_what_was_written_but_not_remembered_is_written_once(recorded: HandMadeRun, tmp_path: Path) -> None:
    synchronise(recorded.directory, "tensorboard:logs")
    (file,) = (tmp_path / "logs" / RUN_ID).iterdir()
    whole = file.read_bytes()
    # Killed in the middle of a write, before anything of it was remembered.
    uri, state = read_json(recorded.directory.delivered).popitem()
    write_json(recorded.directory.delivered, {uri: state | {"position": 0, "size": 0}})
    file.write_bytes(whole[: len(whole) // 2])
    synchronise(recorded.directory, "tensorboard:logs")
    assert file.stat().st_size == len(whole)
    assert _scalars(_stored(tmp_path / "logs")) == _expected(recorded)
    file.unlink()  # by the user
    synchronise(recorded.directory, "tensorboard:logs")
    assert file.stat().st_size == len(whole)
    assert _scalars(_stored(tmp_path / "logs")) == _expected(recorded)


def test_a_run_that_was_killed_and_resumed_is_one_run_with_every_value_once(tmp_path: Path) -> None:
    uri = f"tensorboard:{tmp_path}/logs"
    run = HandMadeRun(tmp_path / "run", uri)
    killed = subprocess.run([sys.executable, hand_made.__file__, str(tmp_path / "run"), uri, "3"], check=False)
    assert killed.returncode == -9
    recorder = run.recorder(resumed_from=2 * STEPS)
    recorder.open()
    for event in run.events(3, 6):
        recorder.record(event)
    recorder.close("FINISHED", generator=run.generator.generator)
    assert _scalars(_stored(tmp_path / "logs")) == _expected(run)
    assert [path.name for path in (tmp_path / "logs" / "gan").iterdir()] == ["lr=0.1"]
    assert run.directory.is_delivered(uri)
    assert run.directory.log.read_text() == ""


def test_runs_of_one_name_have_folders_of_their_own(recorded: HandMadeRun, tmp_path: Path) -> None:
    other = HandMadeRun(tmp_path / "other", None, epochs=1)
    other.tracking.tags = {"sweep": "lr x seed/2"}
    other.record()
    assert synchronise(recorded.directory, "tensorboard:logs") == RUN_ID
    assert synchronise(other.directory, "tensorboard:logs") == "gan/lr x seed_2/lr=0.1"
    twin = HandMadeRun(tmp_path / "twin", None, epochs=1)
    twin.record()
    nonce = read_json(twin.directory.run)["nonce"]
    assert synchronise(twin.directory, "tensorboard:logs") == f"{RUN_ID} {nonce[:8]}"
    assert _scalars(_stored(tmp_path / "logs", f"{RUN_ID} {nonce[:8]}")) == _expected(twin)


def test_a_destination_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_uri("tensorboard:some/logs") == f"tensorboard:{tmp_path}/some/logs"
    assert not (tmp_path / "some").exists()
    (tmp_path / "file").touch()
    for uri in ("tensorboard:file", "tensorboard:file/logs"):
        with pytest.raises(UserError, match=f"tracking.uri={uri}: must be tensorboard:FOLDER"):
            check_uri(uri)
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        check_uri("tensorboard:logs")
    assert str(caught.value).endswith("is not installed; pip install 'gan-experiments[tensorboard]'")


def test_a_run_without_the_package_is_refused_before_it_starts(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    answer = command(*TINY, "tracking=tensorboard")
    assert (answer.status, answer.files) == (2, [])
    line = "error: tracking=tensorboard: is not installed; pip install 'gan-experiments[tensorboard]'\n"
    assert answer.err == line


def test_a_sweep_has_a_folder_of_its_runs_and_no_summary(command: Command) -> None:
    answer = command("-m", *TINY, "evaluate=off", "tracking=tensorboard", "seed=0,1", "hydra.sweep.dir=sweep")
    assert answer.status == 0, answer.err
    name = SweepDirectory("sweep").content()["name"]
    found = {str(path.parent) for path in Path("tensorboard").rglob("events.out.tfevents.*")}
    assert found == {f"tensorboard/gan/{name}/seed={seed}" for seed in (0, 1)}
    assert f"browse    tensorboard --logdir {Path('tensorboard').absolute()}" in answer.out
    assert "summary" not in answer.out
    assert "mlflow.db" not in answer.files


def test_the_pages_are_served_by_a_command_that_a_shell_understands() -> None:
    ((label, command),) = tensorboard.TRACKER.links("tensorboard:/it's here", [])[:1]
    assert (label, command) == ("browse", "tensorboard --logdir '/it'\"'\"'s here' --port 6006")
