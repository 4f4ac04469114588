"""Tells whether a run's folder holds what its training gives: the chain first, then a part of the training again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from gan_experiments.errors import RunFailedError
from gan_experiments.runs.comparison import Comparison
from gan_experiments.runs.proofs import data_digests
from gan_experiments.runs.retrace import Retrace
from gan_experiments.tracking.chain import Link
from gan_experiments.tracking.chain_check import CheckedChain, check_chain, not_this_run
from gan_experiments.tracking.environment import code, own_parts, processor
from gan_experiments.tracking.metadata import versions
from gan_experiments.tracking.moved import command_folder
from gan_experiments.tracking.naming import clock
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import busy

STEPS = 200
"""Steps that are trained again by default."""
_SHOWN = 12
"""Digits of a digest, or a commit, that a line for people has."""


def verify_run(
    directory: RunDirectory,
    say: Callable[[str], None],
    *,
    steps: int = STEPS,
    seed: int = 0,
    everything: bool = False,
    overrides: Mapping[str, Any],
) -> None:
    """Verify a run; nothing is written to its folder.

    Args:
        directory: Its folder.
        say: Called with each line that says what was found.
        steps: Steps to train again.
        seed: Chooses the state from which they are trained.
        everything: Whether the whole training is repeated, and scored as it was.
        overrides: Values to take instead of the run's own, by their keys: where its data lie, and the device.

    Raises:
        UserError: The run has no chain, or something that is needed is not there.
        RunFailedError: It is not this run: a file was changed, the data are others, or training departs from it.
    """
    hint = None
    try:
        # 1. The chain, and every file.
        with busy(f"checking the files of {directory.path.name}"):
            chain = check_chain(directory)
        say(f"chain     {_what_is_there(chain)}")
        # 2. What it learnt, and by which code. Where its paths are relative, they mean the folder of its command.
        folder = command_folder(directory.path, directory.path / ".hydra" / "hydra.yaml")
        with chdir(folder or Path.cwd()):
            retrace, sessions = Retrace(directory, chain, overrides, everything), chain.sessions
            with busy("loading the data"):
                _check_data(retrace, sessions[-1])
            hint = _other_code(sessions, retrace.run.config)
            for line in filter(None, (hint, _other_packages(sessions), retrace.why_no_scores())):
                say(line)
            # 3. The training.
            begun = time.monotonic()
            windows = _windows(retrace, steps, seed, everything)
            say(_verdict(retrace, windows, time.monotonic() - begun, None if everything else seed))
    except RunFailedError as error:
        more = "" if hint is None else f"; {hint.removeprefix('code').strip()}"
        raise RunFailedError(f"{directory.path}: {error}{more}") from error


def _windows(retrace: Retrace, steps: int, seed: int, everything: bool) -> list[Comparison]:
    """Train again from a state that the seed chooses, or everything, from each state that is needed for it."""
    if not everything:
        start = random.Random(seed).choice(retrace.starts())
        with busy(f"training again from step {start:,}"):
            return [retrace.window(start, min(start + steps, retrace.last))]
    done: list[Comparison] = []
    with busy(f"training {retrace.last:,} steps again"):
        for start in retrace.starts():
            if not done or (done[-1].is_over and start >= done[-1].reached):
                done.append(retrace.window(start, retrace.last))
    return done


def _what_is_there(chain: CheckedChain) -> str:
    """Return what was checked, in words."""
    files = len(chain.there)
    line = f"{len(chain.lines)} lines, {files} file{'' if files == 1 else 's'} of weights: as they were written"
    if chain.missing:
        line += f"; not here: {', '.join(chain.missing)}"
    if chain.unsettled:
        line += f"; being written when the run was killed: {', '.join(chain.unsettled)}"
    return line


def _check_data(retrace: Retrace, session: Link) -> None:
    """Make sure that the data are those that were learnt.

    Raises:
        RunFailedError: They are others; the line has both digests.
    """
    dataset, expected = retrace.run.dataset, session["data"]
    if dataset.mixture is not None and session["processor"] != processor():
        return  # drawn from the configuration alone, and rounded otherwise by other processors
    found = data_digests(dataset, "labels" in expected)
    for what, then in expected.items():
        if (now := found.get(what)) != then:
            shown = [str(each)[:_SHOWN] for each in (then, now)]
            raise not_this_run(
                f"it has learnt {dataset.name} with {what} {shown[0]}, and {dataset.source} has {what} {shown[1]}"
            )


def _other_code(sessions: Sequence[Link], config: Mapping[str, Any]) -> str | None:
    """Return a line where a part of the run was trained by other code, else None."""
    now = {**code(), **own_parts(config)}
    for then in (session["code"] for session in sessions):
        own = sorted(name for name in then.keys() - {"commit", "changes"} if then[name] != now.get(name))
        if own:
            what = ", ".join("this package" if name == "sources" else name for name in own)
            commit = f"; its commit is {then['commit'][:_SHOWN]}" if "commit" in then else ""
            changes = ", with changes of its own" if "changes" in then else ""
            return f"code      {what} had other code when the run was trained{commit}{changes}"
    return None


def _other_packages(sessions: Sequence[Link]) -> str | None:
    """Return a line where a part of the run was trained with other packages, else None."""
    then, now = sessions[-1]["packages"], versions()
    others = [name for name in sorted({**then, **now}) if then.get(name) != now.get(name)]
    differences = [f"{name} {now.get(name, 'none')} (the run: {then.get(name, 'none')})" for name in others]
    return f"packages  {', '.join(differences)}" if differences else None


def _verdict(retrace: Retrace, windows: Sequence[Comparison], seconds: float, seed: int | None) -> str:
    """Return the last line: what is the same, how exactly, and how that can be repeated."""
    ranges = [f"{each.start + 1:,} to {each.reached:,}" for each in windows]
    origin = "" if len(windows) > 1 else f", from {_state_after(windows[0].start)}"
    steps = f"steps {', '.join(ranges)} of {retrace.last:,}{origin}"
    compared = sum((each.compared for each in windows), Counter[str]())
    steps += "".join(f", {count:,} {what}{'' if count == 1 else 's'}" for what, count in compared.items())
    how = "" if seed is None else f", --seed {seed}"
    if all(each.same_bits for each in windows):
        return f"same bits {steps}{how} ({clock(seconds)})"
    inexact = next(each.inexact for each in windows if not each.same_bits)
    return f"same      within {windows[0].tolerance:g}: {steps}{how} ({clock(seconds)}); {inexact}"


def _state_after(step: int) -> str:
    return f"the state after step {step:,}" if step else "step 0"
