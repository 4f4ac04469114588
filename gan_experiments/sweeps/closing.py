"""The end of a sweep: its report, its summary in MLflow, and its last lines."""

from __future__ import annotations

from gan_experiments.sweeps.mlflow_summary import deliver
from gan_experiments.tracking.sweep_directory import SweepDirectory


def finish(directory: SweepDirectory) -> list[str]:
    """Write the report of a sweep whose jobs are through, bring it to MLflow, and say where it is.

    Returns:
        A line for each run that has not finished: which, and why.
    """
    from gan_experiments.reports.study import study
    from gan_experiments.reports.write import write

    found = study(directory.path)
    page = write(found, directory.report)
    missing = [f"{run.outcome.state:<9} {run.name}: {run.outcome.reason}" for run in found.unfinished]
    done = len(found.records) - len(missing)
    reason = f"{done} of {len(found.records)} runs have finished"
    directory.end("FAILED" if missing else "FINISHED", reason)
    complaint = deliver(directory)
    sweep = directory.content()
    print(f"sweep     {found.title}: {reason}")
    print(f"result    {found.headline}")
    print(f"report    {page}")
    if sweep["run_id"] is not None:
        print(f"summary   {sweep['run_id']} (experiment {sweep['experiment']}, tag sweep)")
    if complaint is not None:
        missing.insert(0, f"{complaint}; to complete it: {compare_command(directory)}")
    return missing


def compare_command(directory: SweepDirectory) -> str:
    """The command that writes the report again and brings it to MLflow."""
    import shlex

    return f"python -m gan_experiments.compare {shlex.quote(str(directory.path))}"
