"""The life of a run, from its composed configuration to its last line."""

from __future__ import annotations

import logging
import math
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from omegaconf import OmegaConf

from gan_experiments.configuration import standard_output
from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.features import missing
from gan_experiments.runs.checkpoints import Checkpoints
from gan_experiments.runs.endings import Endings, is_of_the_disk
from gan_experiments.runs.monitor import RunMonitor
from gan_experiments.runs.proofs import Proofs
from gan_experiments.runs.run import Run
from gan_experiments.runs.run_queue import RunQueue, TheseRuns
from gan_experiments.runs.signals import exit_after_signal, stop_on_signals
from gan_experiments.runs.stop_requests import StopRequests
from gan_experiments.tracking.last_lines import LastLines
from gan_experiments.tracking.progress import progress_of
from gan_experiments.tracking.run_events import Consumer, Ended, Joined, RunEvent
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.stack_recorder import StackRecorder
from gan_experiments.tracking.terminal import busy
from gan_experiments.training.events import EpochFinished
from gan_experiments.training.member import Member
from gan_experiments.training.run_length import RunLength
from gan_experiments.training.slots import Entry
from gan_experiments.training.trainer import Trainer


def train_run(run: Run) -> float:
    """Train one run by itself.

    Returns:
        G's mean loss over the last epoch, which Hydra passes to its sweeper.

    Raises:
        UserError: Another process is training in its folder.
        RunFailedError: Training diverged, or the run's folder can't be written any more; the message has the step and
            the reason.
        SystemExit: A signal stopped the run, after a checkpoint; the status is 128 + the signal's number.
    """
    queue = TheseRuns([run])
    train_runs(queue)
    (result,) = queue.results
    if isinstance(result, Exception):
        raise result
    assert result is not None
    return result


@standard_output.never_failing()
def train_runs(queue: RunQueue) -> None:
    """Train runs from beginning to end: one, or those that pass through the slots of one stacked program.

    Args:
        queue: Hands out the runs, and is told how each ends.

    Raises:
        UnstackableError: The runs' networks cannot train as one.
        UserError: Another process is training in one of the first runs' folders.
        RunFailedError: A folder can't be written any more: its disk is full, or gone.
        SystemExit: A signal stopped training, after a checkpoint; the status is 128 + the signal's number, unless
            the program has its own handler for the signal, which is then called and may end it differently.
    """
    # 1. Take the runs that begin, and load the data set. The runs of a stack learn the same one, on the same device.
    begin = [queue.next(slot, _room_for_all) for slot in range(queue.slots)]
    runs = dict(filter(None, begin))
    if not runs:
        return  # what waited could not be prepared
    first = next(iter(runs.values()))
    with busy("loading the data"):
        dataset, device, tracking = first.dataset, first.device, first.tracking

    # 2. Build the networks, each run's from its own seed, and the step that trains them all.
    slots = _Slots(queue)
    with busy("building the networks"):
        trainer = Trainer(
            [None if found is None else found[1].member for found in begin],
            dataset,
            device=device,
            samples=tracking.samples,
            sample_every=tracking.sample_every,
            numbers=list(runs),
            later=queue.outlook(),
            queue=slots,
        )

    # 3. Resume from the checkpoints, where there are any.
    for number, run in runs.items():
        if run.state is not None:
            trainer.load(run.state, number)

    # 4. Prepare the evaluation: the evaluator keeps the real samples and features that scores compare with.
    evaluate = cast(EvaluateConfig, OmegaConf.to_object(first.cfg.evaluate))
    logs, conditional = RunLogs(queue.slots), first.member.networks.classes is not None
    evaluator = Evaluator(evaluate, dataset, device, conditional)

    failure: BaseException | None = None
    with stop_on_signals(trainer) as signals:
        # 5. Every event goes to all consumers in this order: recorded first, and saved last, because on resume
        #    everything before a checkpoint counts as recorded. What was written is then proved by its digests.
        #    Consumers publish events too: scores, warnings, ends.
        use = trainer.use

        def publish(k: int, event: RunEvent) -> None:
            for consumer in consumers:
                consumer.on(k, event)
            if isinstance(event, EpochFinished | Ended):
                queue.note(use)
            if isinstance(event, Ended):
                del runs[k]
                queue.ended(k, event, endings.take_result(k))

        # 6. A run joins: its folder is claimed, and what happens to it is recorded, drawn and delivered from now on.
        def join(k: int, run: Run) -> dict[str, Any] | None:
            length, state = RunLength.of(len(dataset), run.member.train), run.state
            description = run.description(length.total_steps)
            runs[k] = run
            try:
                publish(k, Joined(run.directory, description, run.step, queue.slots))
            except UserError:
                del runs[k]
                raise
            run.forget_state()  # training has taken it over
            return state

        records = StackRecorder(queue.slots, lambda k, end: proofs.close(k, end))
        progress = progress_of(queue.slots, queue.tally)
        monitor = RunMonitor(runs, trainer, evaluator, publish, records.history, queue.reached)
        proofs, last_lines = Proofs(runs, trainer, evaluator), LastLines(queue.slots)
        checkpoints = Checkpoints(runs, trainer, proofs.writing)
        endings, requests = Endings(publish, queue.leaving), StopRequests(runs, trainer, publish)
        consumers: list[Consumer] = [records, logs, progress, last_lines, monitor, checkpoints, proofs]
        consumers += [requests, endings]
        slots.open(join, endings)
        try:
            for number, run in list(runs.items()):
                join(number, run)
            if notice := missing(evaluate, dataset):
                logs.say(notice)
            logs.say(f"start     {_what_starts(first, len(runs), trainer, queue)}")

            # 7. Train.
            begin.clear()  # a run that has left takes its networks along
            for k, event in trainer.events():
                publish(k, event)
        except BaseException as error:
            failure = error

    # 8. End: close the records of all runs that are still open, wait until everything is drawn and delivered, and say
    #    how it ended and where everything is.
    records.stop_measuring()  # before the ends: runs that end together all get the last measurement
    try:
        end = endings.end_together(failure, signals)
    except OSError as error:  # there is no room even for the end
        failure = error
        end = endings.end_together(failure, signals)
    progress.close()
    try:
        with busy(f"drawing the last pictures{'' if tracking.uri is None else ' and delivering'}"):
            complaints = records.finish()
    except KeyboardInterrupt as interrupt:
        failure = failure or interrupt
        complaints = [records.unattended()]
    last_lines.print()
    for complaint in complaints:
        logs.say(complaint, level=logging.WARNING)
    consumers.clear()  # they hold `publish`, and it holds them: without this the networks would stay in memory
    if end is not None and end.status == "KILLED":
        _say_how_to_resume(first, queue, logs, end.reason.removeprefix("stopped "))
    if is_of_the_disk(failure):
        failure = RunFailedError(f"the run failed: {end.reason if end else failure}{_remedy(first, queue)}")
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame, which would hold it in turn
    if end is not None and end.status == "KILLED":
        exit_after_signal(signals[0])


class _Slots:
    """The queue as the trainer sees it: members and their states instead of runs.

    Args:
        queue: The queue of runs.
    """

    def __init__(self, queue: RunQueue) -> None:
        self._queue = queue

    def open(self, join: Callable[[int, Run], dict[str, Any] | None], endings: Endings) -> None:
        """Take what there is once there are consumers.

        Args:
            join: Lets a run join, and returns the state that it goes on from.
            endings: Know how runs leave.
        """
        self._join, self._endings = join, endings

    def next(self, slot: int, check: Callable[[Member], object]) -> Entry | None:
        """Return the member that takes a free slot now, or None; a run that trains by itself is followed by none."""
        if self._queue.slots == 1:
            return None
        while (found := self._queue.next(slot, check)) is not None:
            number, run = found
            try:
                return Entry(number, run.member, self._join(number, run))
            except UserError as error:  # another process trains in its folder
                self._queue.ended(number, Ended("FAILED", str(error)), error)
        return None

    def is_waiting(self) -> bool:
        """Return whether any run waits for a slot."""
        return self._queue.tally().waiting > 0

    def leaving(self, steps: Mapping[int, int]) -> Collection[int]:
        """Return those of the runs at work that leave their slots now."""
        return self._endings.decide(steps)


def _room_for_all(_: Member) -> None:
    """Let the first runs of a stack in: it is built around them."""


def _what_starts(first: Run, count: int, trainer: Trainer, queue: RunQueue) -> str:
    where, waiting = f"{first.dataset.name} on {first.device}", queue.tally().waiting
    if queue.slots > 1:
        more = f" in {queue.slots} slots, {waiting} waiting" if waiting else ""
        return f"{count} runs as one{more}: {where}"
    done = f" from step {trainer.step:,}" if trainer.step else ""
    epochs, total = trainer.length.epochs, trainer.length.total_steps
    return f"{first.name}: {where}, {epochs} epochs of {math.ceil(total / epochs)} steps{done}"


def _say_how_to_resume(run: Run, queue: RunQueue, logs: RunLogs, stopped: str) -> None:
    if queue.slots > 1:
        # Each after a step of its own; the launcher says how to resume its sweep.
        logs.say(f"stopped   the stack's runs {stopped.partition(' after step ')[0]}", sys.stdout)
        return
    logs.say(f"stopped   {stopped}; to continue:", sys.stdout)
    logs.say(f"resume    {_resume_command(run)}", sys.stdout)


def _remedy(run: Run, queue: RunQueue) -> str:
    return "" if queue.slots > 1 else f"; when it can be written, continue with: {_resume_command(run)}"


def _resume_command(run: Run) -> str:
    return f"python -m gan_experiments.run train.resume={shlex.quote(str(run.directory.path))}"
