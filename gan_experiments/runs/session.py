"""Runs, from their composed configurations to their last lines: joins data, networks, training and tracking."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.instantiate import build, load_data
from gan_experiments.configuration.schema import EvaluateConfig, TrackingConfig, TrainConfig
from gan_experiments.errors import RunFailedError
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.features import missing
from gan_experiments.evaluation.metrics.ranking import larger_is_better
from gan_experiments.models.networks import Networks
from gan_experiments.runs.monitor import Watch
from gan_experiments.runs.resume import state_to_resume
from gan_experiments.runs.signals import meet, stop_on_signals
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.naming import run_name
from gan_experiments.tracking.progress import words
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.stack_recorder import Recording
from gan_experiments.training import checkpoint
from gan_experiments.training.device import resolve_device
from gan_experiments.training.events import CheckpointDue, Completed, Diverged, EpochFinished, Stopped
from gan_experiments.training.member import Member
from gan_experiments.training.trainer import Trainer


class Run:
    """A run that is ready to train: its data, its initial networks, and the checkpoint that it continues from.

    Args:
        cfg: Its composed configuration.
        run_dir: Its folder.
        overrides: What the person asked for, as Hydra lists it.
        name: Its name where ``tracking.run_name`` is null; by default what is special about it.
        tags: Further tags for MLflow.

    Attributes:
        cfg: As given.
        overrides: As given.
        config: The configuration as plain values.
        tracking: Its ``tracking`` group, with an absolute URI.
        name: Its name.
        directory: Its folder.
        dataset: What it learns.
        device: What it computes on.
        member: Its networks, losses and settings, as training wants them.
        state: The checkpoint's content, or None for a new run.

    Raises:
        UserError: Something that the configuration asks for can't be had.
    """

    def __init__(
        self,
        cfg: DictConfig,
        run_dir: Path,
        overrides: Sequence[str],
        name: str | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.cfg, self.overrides = cfg, overrides
        self.config = cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))
        self.tracking = cast(TrackingConfig, OmegaConf.to_object(cfg.tracking))
        if self.tracking.uri is not None:
            self.tracking.uri = check_uri(self.tracking.uri)
        self.tracking.tags = {**tags, **self.tracking.tags}
        self.directory = RunDirectory(run_dir)
        self.state = state_to_resume(cfg, run_dir)
        self.device = resolve_device(cfg.device)
        self.dataset = load_data(cfg.data)
        train = cast(TrainConfig, OmegaConf.to_object(cfg.train))
        torch.manual_seed(cfg.seed)
        networks: Networks = build(cfg.model, sample_shape=self.dataset.sample_shape)
        otherwise = f"{self.dataset.name} {cfg.model.get('name', 'model')}"
        self.name = self.tracking.run_name or name or run_name(overrides, otherwise)
        self.member = Member(networks, train, cfg.seed, build(cfg.objective), build(cfg.penalty))

    @property
    def step(self) -> int:
        """The step that it continues from."""
        return 0 if self.state is None else self.state["step"]

    def recorder(self, total_steps: int) -> Recorder:
        """What records it."""
        return Recorder(
            self.directory,
            self.config,
            self.tracking,
            self.dataset,
            total_steps=total_steps,
            name=self.name,
            overrides=self.overrides,
            device=_device_name(self.device),
            resumed_from=self.step,
        )

    def save(self, event: CheckpointDue, generator: torch.nn.Module | None) -> None:
        """Write the checkpoint, and the weights of G where the checkpoint comes at an epoch's end."""
        description = {"config": self.config} | self.dataset.sample_space.description()
        if generator is not None:
            weights = {"generator": generator.state_dict()}
            checkpoint.save(self.directory.generators / f"epoch-{event.epoch:04d}.pt", weights | description)
        checkpoint.save(self.directory.checkpoint, event.state | description)


class Session:
    """Trains runs in this process: one, or several as one stacked program.

    Args:
        runs: They agree in all that a stack's members must agree in, and in the step that they continue from.

    Raises:
        UnstackableError: The runs' networks cannot train as one.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs, first = runs, runs[0]
        self._evaluate = cast(EvaluateConfig, OmegaConf.to_object(first.cfg.evaluate))
        self._evaluator = Evaluator(self._evaluate, first.dataset, first.device)
        if notice := missing(self._evaluate, first.dataset):
            print(notice, file=sys.stderr)
        self._trainer = Trainer(
            [run.member for run in runs],
            first.dataset,
            device=first.device,
            samples=first.tracking.samples,
            sample_every=first.tracking.sample_every,
        )
        for k, run in enumerate(runs):
            if run.state is not None:
                self._trainer.load(run.state, k)
        self._recorders = [run.recorder(self._trainer.schedule.total_steps) for run in runs]
        self._recording = Recording(self._recorders)
        for run in runs:
            run.state = None

    def train(self) -> list[float | RunFailedError]:
        """Train to the end.

        Returns:
            Of each run, G's mean loss over its last epoch, a number for whoever asked for the run; or, if it
            diverged, an error whose message has the step and the reason.

        Raises:
            UserError: Another process is training in one of the folders.
            SystemExit: A signal stopped training, after a checkpoint; the status is 128 + the signal's number, unless
                the program has a handler of its own, which is called then, and ends it in another way.
        """
        outcomes: list[float | RunFailedError] = [float("nan")] * len(self._runs)
        hopeless: dict[int, str] = {}
        stopped: list[str] = []
        with stop_on_signals(self._trainer) as received:
            self._recording.open()
            try:
                watches = [self._watch(k) for k in range(len(self._runs))]
                for k, event in self._trainer.events():
                    self._recording.record(event, k)
                    run = self._runs[k]
                    match event:
                        case EpochFinished():
                            outcomes[k] = event.metrics["loss/generator"]
                            light = watches[k].epoch(event, partial(self._trainer.generator, k))
                            if light is not None and event.step < self._trainer.schedule.total_steps:
                                hopeless[k] = f"early stop after epoch {event.epoch}: {words(light)}"
                                self._trainer.end(k)
                        case CheckpointDue():
                            # Last of all: what a checkpoint is ahead of is never made up for.
                            run.save(event, self._trainer.generator(k) if self._ends_epoch(event) else None)
                        case Completed() if k in hopeless:
                            self._recording.close("FINISHED", hopeless[k], self._trainer.generator(k), k)
                        case Diverged():
                            outcomes[k] = RunFailedError(f"the run failed: {event.reason}{_kept(run.directory)}")
                            self._recording.close("FAILED", event.reason, k=k)
                        case Stopped():
                            name, total = signal.Signals(received[0]).name, self._trainer.schedule.total_steps
                            stopped.append(f"by {name} after step {event.step} of {total}")
            except BaseException as error:
                self._recording.close_all("FAILED", f"{type(error).__name__}: {error}".splitlines()[0])
                raise
        if stopped:
            self._recording.close_all("KILLED", f"stopped {stopped[0]}")
            self._say_how_to_resume(stopped[0])
            meet(received[0])
        for k, outcome in enumerate(outcomes):
            if not isinstance(outcome, RunFailedError) and k not in hopeless:
                self._recording.close("FINISHED", generator=self._trainer.generator(k), k=k)
        return outcomes

    def _watch(self, k: int) -> Watch:
        run = self._runs[k]
        return Watch(
            self._evaluate,
            self._evaluator,
            self._recorders[k],
            lambda new, on: self._recording.show_warnings(new, on, k),
            lambda name, value: self._recording.show_score(name, value, larger_is_better(name), k),
            early_stop=run.cfg.train.early_stop,
            # A user's objective need not declare it.
            logits_have_origin=getattr(run.member.objective, "logits_have_origin", True),
            latent_dim=run.member.networks.latent_dim,
            total_steps=self._trainer.schedule.total_steps,
        )

    def _ends_epoch(self, event: CheckpointDue) -> bool:
        return event.epoch > 0 and event.step == self._trainer.schedule.end_of(event.epoch)

    def _say_how_to_resume(self, stopped: str) -> None:
        if len(self._runs) > 1:
            print(f"stopped   {len(self._runs)} runs {stopped}", flush=True)  # who launched them says how to go on
            return
        folder = shlex.quote(str(self._runs[0].directory.path))
        print(f"stopped   {stopped}; to continue:")
        print(f"resume    python -m gan_experiments.run train.resume={folder}", flush=True)


def train_alone(run: Run) -> float:
    """Train one run by itself.

    Returns:
        G's mean loss over the last epoch: a number for whoever asked for the run.

    Raises:
        UserError: Another process is training in its folder.
        RunFailedError: Training diverged; the message has the step and the reason.
        SystemExit: A signal stopped the run, after a checkpoint; the status is 128 + the signal's number.
    """
    (outcome,) = Session([run]).train()
    if isinstance(outcome, RunFailedError):
        raise outcome
    return outcome


def _kept(directory: RunDirectory) -> str:
    return f"; the checkpoint before it is {directory.checkpoint}" if directory.checkpoint.exists() else ""


def _device_name(device: torch.device) -> str:
    """The device and, for a GPU, which one: ``cuda:0 (NVIDIA H100 80GB HBM3)``."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
