"""The life of a run, from its composed configuration to its last line."""

from __future__ import annotations

import logging
import math
import shlex
import sys
from collections.abc import Sequence
from typing import cast

from omegaconf import OmegaConf

from gan_experiments.configuration import standard_output
from gan_experiments.configuration.schema import EvaluateConfig
from gan_experiments.errors import RunFailedError
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.evaluation.features import missing
from gan_experiments.runs.checkpoints import Checkpoints
from gan_experiments.runs.endings import Endings, is_of_the_disk
from gan_experiments.runs.monitor import RunMonitor
from gan_experiments.runs.run import Run
from gan_experiments.runs.signals import exit_after_signal, stop_on_signals
from gan_experiments.tracking.last_lines import LastLines
from gan_experiments.tracking.progress import progress_of
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_events import Consumer, RunEvent
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.stack_recorder import StackRecorder
from gan_experiments.tracking.terminal import busy
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
    (result,) = train_runs([run])
    if isinstance(result, RunFailedError):
        raise result
    return result


@standard_output.never_failing()
def train_runs(runs: Sequence[Run]) -> list[float | RunFailedError]:
    """Train runs from beginning to end: one, or several as one stacked program.

    Args:
        runs: Runs that agree in everything that members of a stack must share, and in the step to resume from.

    Returns:
        For each run, G's mean loss over its last epoch or, if it diverged, an error whose message has the step and
        the reason.

    Raises:
        UnstackableError: The runs' networks cannot train as one.
        UserError: Another process is training in one of the folders.
        RunFailedError: A folder can't be written any more: its disk is full, or gone.
        SystemExit: A signal stopped training, after a checkpoint; the status is 128 + the signal's number, unless
            the program has its own handler for the signal, which is then called and may end it differently.
    """
    first = runs[0]

    # 1. Load the data set. The runs of a stack learn the same one, on the same device.
    with busy("loading the data"):
        dataset, device, tracking = first.dataset, first.device, first.tracking

    # 2. Build the networks, each run's from its own seed, and the step that trains them all.
    with busy("building the networks"):
        trainer = Trainer(
            [run.member for run in runs],
            dataset,
            device=device,
            samples=tracking.samples,
            sample_every=tracking.sample_every,
        )
    total_steps, epochs = trainer.length.total_steps, trainer.length.epochs

    # 3. Resume from the checkpoints, where there are any.
    for k, run in enumerate(runs):
        if run.state is not None:
            trainer.load(run.state, k)
            run.forget_state()

    # 4. Prepare the evaluation: the evaluator keeps the real samples and features that scores compare with.
    evaluate = cast(EvaluateConfig, OmegaConf.to_object(first.cfg.evaluate))
    names, directories = [run.name for run in runs], [run.directory for run in runs]
    logs = RunLogs(directories)
    conditional = first.member.networks.classes is not None
    evaluator = Evaluator(evaluate, dataset, device, conditional)
    if notice := missing(evaluate, dataset):
        logs.say(notice)

    failure: BaseException | None = None
    with stop_on_signals(trainer) as signals:
        # 5. Open the records: claim the folders, write down what the runs are, start drawing and delivering.
        recorders = [Recorder(run.directory, run.description(total_steps), trainer.step) for run in runs]
        records = StackRecorder(recorders)
        records.open()
        logs.say(f"start     {_what_starts(runs, epochs, trainer.step, total_steps)}")

        # 6. Train. Every event goes to all consumers in this order: recorded first, and saved last, because on resume
        #    everything before a checkpoint counts as recorded. Consumers publish events too: scores, warnings, ends.
        def publish(k: int, event: RunEvent) -> None:
            for consumer in consumers:
                consumer.on(k, event)

        progress = progress_of(names, directories, total_steps, epochs, trainer.step)
        monitor = RunMonitor(runs, trainer, evaluator, publish)
        checkpoints, endings = Checkpoints(runs, trainer), Endings(directories, publish, trainer.step)
        last_lines = LastLines(names, directories, tracking)
        consumers: list[Consumer] = [records, progress, last_lines, monitor, checkpoints, endings]
        try:
            for k in range(len(runs)):
                monitor.recall(k, records.history(k))
            for k, event in trainer.events():
                publish(k, event)
        except BaseException as error:
            failure = error

    # 7. End: close the records of all runs that are still open, wait until everything is drawn and delivered, and say
    #    how it ended and where everything is.
    records.stop_measuring()  # before the ends: runs that end together all get the last measurement
    try:
        end = endings.end_together(failure, signals, total_steps)
    except OSError as error:  # there is no room even for the end
        failure = error
        end = endings.end_together(failure, signals, total_steps)
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
    if end.status == "KILLED":
        _say_how_to_resume(runs, logs, end.reason.removeprefix("stopped "))
    if is_of_the_disk(failure):
        failure = RunFailedError(f"the run failed: {end.reason}{_remedy(runs)}")
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame, which would hold it in turn
    if end.status == "KILLED":
        exit_after_signal(signals[0])
    return endings.results


def _what_starts(runs: Sequence[Run], epochs: int, step: int, total_steps: int) -> str:
    what = runs[0].name if len(runs) == 1 else f"{len(runs)} runs as one"
    done = f" from step {step:,}" if step else ""
    data, device = runs[0].dataset, runs[0].device
    return f"{what}: {data.name} on {device}, {epochs} epochs of {math.ceil(total_steps / epochs)} steps{done}"


def _say_how_to_resume(runs: Sequence[Run], logs: RunLogs, stopped: str) -> None:
    if len(runs) > 1:
        logs.say(f"stopped   {len(runs)} runs {stopped}", sys.stdout)  # the launcher says how to resume its sweep
        return
    logs.say(f"stopped   {stopped}; to continue:", sys.stdout)
    logs.say(f"resume    {_resume_command(runs[0])}", sys.stdout)


def _remedy(runs: Sequence[Run]) -> str:
    return f"; when it can be written, continue with: {_resume_command(runs[0])}" if len(runs) == 1 else ""


def _resume_command(run: Run) -> str:
    return f"python -m gan_experiments.run train.resume={shlex.quote(str(run.directory.path))}"
