"""Hydra jobs trained together: from outside each is an ordinary job, but those of one structure are one program."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, configure_log, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_experiments.launchers.fused.given_jobs import GivenJobs
from gan_experiments.launchers.fused.groups import ComposedJob, compose, count, for_the_task
from gan_experiments.launchers.fused.memory import free_memory, is_out_of_memory, members_that_fit
from gan_experiments.launchers.fused.outlook import outlook
from gan_experiments.launchers.fused.slot_record import SlotRecord
from gan_experiments.launchers.fused.stack_queue import StackQueue
from gan_experiments.launchers.hydra_job import begin_job, end_job, run_hydra_job
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.runs.run import Run
from gan_experiments.runs.train import train_runs
from gan_experiments.sweeps.membership import join, wait
from gan_experiments.sweeps.source import Source, Stint
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory
from gan_experiments.tracking.terminal import busy
from gan_experiments.training.member import Member

# Hydra's configuration only shows its own loggers to the user.
log = logging.getLogger("hydra.launcher.fused")


class FusedJobs:
    """Runs jobs as one program where they can, and as Hydra runs them where they cannot.

    Args:
        context: Hydra's.
        task: What a job runs by itself.
        sweep: The sweep's configuration.
        slots: Most runs that train at once, if as many fit into the memory.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, sweep: DictConfig, slots: int) -> None:
        self._context, self._task, self._sweep = context, task, sweep
        self._most = slots
        self._jobs: dict[int, ComposedJob] = {}
        self._unstackable: set[str] = set()
        self._slots: dict[str, int] = {}
        self._record = SlotRecord(Path(sweep.hydra.runtime.cwd, sweep.hydra.sweep.dir))

    def run(self, members: Sequence[tuple[int, Sequence[str]]]) -> list[JobReturn]:
        """Run jobs of which all are known; return what Hydra gets from each, in their order.

        Args:
            members: Number and overrides of each.

        Raises:
            SystemExit: A signal stopped training, after a checkpoint of every run at work.
        """
        stints = [Stint(number, overrides) for number, overrides in members]
        jobs = [self.of(stint) for stint in stints]
        with busy(f"preparing {count(jobs)}"):
            for job in jobs:
                wait(JobDirectory(job.directory))
            finished = [job for job in jobs if outcome(JobDirectory(job.directory)).finished]
        for job in finished:
            self._run_alone(job)
        again = {job.number for job in finished}
        self.follow(GivenJobs(stints, again))
        return [job.returned for job in jobs if job.returned is not None]

    def follow(self, source: Source) -> None:
        """Train all runs of a source.

        Raises:
            SystemExit: A signal stopped training, after a checkpoint of every run at work.
        """
        while stints := source.waiting():
            structure = self.of(stints[0]).structure
            alike = [stint for stint in stints if self.of(stint).structure == structure]
            # A run with a slot of its own goes on in a stack as large as before, though it be the only one.
            several = len(alike) > 1 or alike[0].slot is not None
            if source.slots > 1 and several and structure not in self._unstackable:
                self._run_stack(structure, source, alike)
            elif alike[0].rungs or self.of(alike[0]).returned is not None:
                self._train(structure, source, 1)
            else:
                source.took(alike[0].number)
                self._run_alone(self.of(alike[0]))
                source.ended(alike[0].number)

    def of(self, stint: Stint) -> ComposedJob:
        """Return the job of a run."""
        if stint.number not in self._jobs:
            self._jobs[stint.number] = compose(self._context, self._task, self._sweep, stint.number, stint.overrides)
        return self._jobs[stint.number]

    def _run_stack(self, structure: str, source: Source, alike: Sequence[Stint]) -> None:
        """Train the runs of one structure as one program, if that can be."""
        # 1. The first run says which data and device; what is wrong with it shows here.
        first = self.of(alike[0])
        error = self.prepare(first, alike[0].rungs)
        if first.run is None:
            source.took(first.number)
            self.begin(first)
            self.end(first, error or AssertionError())
            source.ended(first.number)
            return
        # 2. The stack has room for all that may come, and as many slots as fit into the memory.
        known = [job for job in map(self.of, source.outlook()) if job.structure == structure]
        plain = [job.plain for job in known or map(self.of, alike) if job.plain is not None]
        most = min(self._most, source.slots, len(known) if all(job.number >= 0 for job in known) else source.slots)
        dataset, device = first.run.dataset, first.run.device
        try:
            with busy("measuring how many runs fit into the memory"):
                members = outlook(plain, dataset)
                fit = members_that_fit(members, dataset, device)
        except UnstackableError as why:
            log.info(f"{count([self.of(stint) for stint in alike])} train one after another: {why}")
            self._unstackable.add(structure)
            return
        slots = min(most, self._slots.get(structure, most))
        if fit < slots:
            log.info(f"only about {fit} runs fit into the memory of {device} together; {slots} slots were asked for")
            slots = fit
        # 3. Train them.
        if slots == 1:
            self._unstackable.add(structure)
            return
        named = [job for job in known if job.number >= 0] or [self.of(stint) for stint in alike]
        log.info(f"training {count(named)} as one, in {slots} slots")
        self._train(structure, source, slots, members)

    def _train(self, structure: str, source: Source, slots: int, members: Sequence[Member] = ()) -> None:
        """Train runs of one structure until none of them waits."""
        queue = StackQueue(source, self, structure, slots, members, self._record)
        try:
            with env_override(self._sweep.hydra.job.env_set):
                train_runs(queue)
        except UnstackableError as error:
            log.info(f"the runs train one after another: {error}")
            self._unstackable.add(structure)
        except Exception as error:
            broken_off = queue.broken_off
            if slots == 1 or not is_out_of_memory(error):
                for job in broken_off:
                    self.end(job, error)
                    source.ended(job.number)
                return
            self._slots[structure] = -(-slots // 2)
            log.info(
                f"{slots} runs were too many for the memory; they continue in {self._slots[structure]} slots,"
                " each from its own checkpoint"
            )
        finally:
            self._record.write()
        free_memory()
        for job in queue.broken_off:
            source.returned(job.number)

    def prepare(self, job: ComposedJob, rungs: Sequence[int]) -> Exception | None:
        """Set up the job's run, from its checkpoint if it has one; return what is wrong with it, if anything."""
        if job.run is not None:
            return None
        try:
            cfg = for_the_task(job)
            place = join(job.directory_of_sweep, job.directory, job.overrides)
            place.settle(cfg)
            run = Run(cfg, job.directory, job.overrides, place.name, place.tags, rungs)
            run.load()
        except Exception as error:
            return error
        job.run = run
        return None

    def _run_alone(self, job: ComposedJob) -> None:
        config = job.open()
        try:
            job.returned = run_hydra_job(self._context, self._task, config)
        finally:
            configure_log(config.hydra.hydra_logging, config.hydra.verbose)
            job.close()

    def begin(self, job: ComposedJob) -> None:
        """Do all that Hydra does before a job's task: folder, files, callbacks. A job starts only once."""
        if job.returned is None:
            job.returned = begin_job(self._context, self._task, job.open())

    def end(self, job: ComposedJob, outcome: float | Exception) -> None:
        """Do all that Hydra does after a job's task."""
        assert job.returned is not None
        end_job(self._context, job.returned, job.open(), outcome)
        job.close()
