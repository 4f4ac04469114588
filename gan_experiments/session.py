"""One run, from its composed configuration to its last line: joins data, networks, training and tracking."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments.config import EvaluateConfig, TrackingConfig, TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import RunFailedError
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.features import missing
from gan_experiments.models.networks import Networks
from gan_experiments.resume import state_to_resume
from gan_experiments.targets import build, load_data
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.naming import run_name
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from gan_experiments.training.device import resolve_device
from gan_experiments.training.events import CheckpointDue, Diverged, EpochFinished, Event, Stopped
from gan_experiments.training.trainer import Member, Trainer
from gan_experiments.watch import Watch


def run_session(cfg: DictConfig, run_dir: Path, overrides: list[str]) -> float:
    """Train the run that ``cfg`` describes in ``run_dir``, from its checkpoint where ``train.resume`` is set.

    Returns:
        G's mean loss over the last epoch: a number for whoever asked for the run.

    Raises:
        UserError: Something that the configuration asks for can't be had.
        RunFailedError: Training diverged; the message has the step and the reason.
        SystemExit: A signal stopped the run, after a checkpoint; the status is 128 + the signal's number.
    """
    config = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
    train = cast(TrainConfig, OmegaConf.to_object(cfg.train))
    tracking = cast(TrackingConfig, OmegaConf.to_object(cfg.tracking))
    if tracking.uri is not None:
        tracking.uri = check_uri(tracking.uri)
    directory = RunDirectory(run_dir)
    state = state_to_resume(cfg, run_dir)
    device = resolve_device(cfg.device)
    dataset = load_data(cfg.data)
    evaluate = cast(EvaluateConfig, OmegaConf.to_object(cfg.evaluate))
    evaluator = Evaluator(evaluate, dataset, device)
    if notice := missing(evaluate, dataset):
        print(notice, file=sys.stderr)
    torch.manual_seed(cfg.seed)
    networks: Networks = build(cfg.model, sample_shape=dataset.sample_shape)
    trainer = Trainer(
        [Member(networks, train, cfg.seed)],
        build(cfg.objective),
        dataset,
        device=device,
        samples=tracking.samples,
        sample_every=tracking.sample_every,
    )
    if state is not None:
        trainer.load(state)
    recorder = Recorder(
        directory,
        config,
        tracking,
        dataset,
        total_steps=trainer.schedule.total_steps,
        name=tracking.run_name or run_name(overrides, otherwise=f"{dataset.name} {cfg.model.get('name', 'model')}"),
        overrides=overrides,
        device=_device_name(device),
        resumed_from=trainer.step,
    )
    with _signals(trainer) as received:
        recorder.open()
        watch = Watch(
            evaluate,
            evaluator,
            recorder,
            objective=cfg.objective.get("name", ""),
            latent_dim=networks.latent_dim,
            total_steps=trainer.schedule.total_steps,
        )
        last, loss = _record(trainer, recorder, watch, directory, _description(config, dataset))
    if isinstance(last, Diverged):
        recorder.close("FAILED", last.reason)
        kept = f"; the checkpoint before it is {directory.checkpoint}" if directory.checkpoint.exists() else ""
        raise RunFailedError(f"the run failed: {last.reason}{kept}")
    if isinstance(last, Stopped):
        name = signal.Signals(received[0]).name
        recorder.close("KILLED", f"stopped by {name} after step {last.step} of {trainer.schedule.total_steps}")
        print(f"stopped   by {name} after step {last.step} of {trainer.schedule.total_steps}; to continue:")
        print(f"resume    python -m gan_experiments.run train.resume={shlex.quote(str(directory.path))}", flush=True)
        raise SystemExit(128 + received[0])
    recorder.close("FINISHED", generator=trainer.generator())
    return loss


def _record(
    trainer: Trainer, recorder: Recorder, watch: Watch, directory: RunDirectory, description: dict[str, Any]
) -> tuple[Event, float]:
    """Pass every event on; returns the last one, and G's latest mean loss."""
    event, loss = None, float("nan")
    try:
        for _, event in trainer.events():
            recorder.record(event)
            if isinstance(event, EpochFinished):
                loss = event.metrics["loss/generator"]
                watch.epoch(event, trainer.generator())
            elif isinstance(event, CheckpointDue):
                # Last of all: what a checkpoint is ahead of is never made up for.
                if event.epoch and event.step == trainer.schedule.end_of(event.epoch):
                    weights = {"generator": trainer.generator().state_dict()}
                    checkpoint.save(directory.generators / f"epoch-{event.epoch:04d}.pt", weights | description)
                checkpoint.save(directory.checkpoint, event.state | description)
    except BaseException as error:
        recorder.close("FAILED", f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    assert event is not None
    return event, loss


def _description(config: dict[str, Any], dataset: Dataset) -> dict[str, Any]:
    """What a checkpoint needs beside the state: how to build its networks and what their samples are."""
    return {
        "config": config,
        "sample_shape": list(dataset.sample_shape),
        "is_image": dataset.is_image,
        "scale": dataset.scale,
    }


@contextmanager
def _signals(trainer: Trainer) -> Iterator[list[int]]:
    """The first Ctrl-C or SIGTERM asks training to stop, a second one is met as ever; lists what came."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        trainer.request_stop()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _device_name(device: torch.device) -> str:
    """The device and, for a GPU, which one: ``cuda:0 (NVIDIA H100 80GB HBM3)``."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
