"""Tells whether the files of a run are those of which its chain has the digests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.tracking.chain import (
    SCORED,
    SESSION,
    Link,
    Standing,
    digest,
    digest_of,
    journal_between,
    link_of,
    losses_between,
    read,
)
from gan_experiments.tracking.journal import read as read_journal
from gan_experiments.tracking.run_directory import RunDirectory

_SHORT = 12
"""Digits of a digest that a line for people has."""


@dataclass(frozen=True)
class CheckedChain:
    """A chain whose digests are those of the files.

    Attributes:
        lines: Its lines.
        standing: What they say together.
        there: Names of the files of weights that are in the folder, and as they were written.
        missing: Names of those that are not there any more.
        unsettled: Names of those that a process may have been writing when it was killed.
    """

    lines: list[Link]
    standing: Standing
    there: list[str]
    missing: list[str]
    unsettled: list[str]

    @property
    def sessions(self) -> list[Link]:
        """The lines of the processes that trained, in order."""
        return [line for line in self.lines if line["kind"] == SESSION]


def not_this_run(why: str) -> RunFailedError:
    """Return the error that says that a folder does not hold the run that it claims to hold."""
    return RunFailedError(f"not this run: {why}")


def check_chain(directory: RunDirectory) -> CheckedChain:
    """Check the links of a run's chain, and all that it covers.

    Raises:
        UserError: The run has no chain, or a file that is not a file of weights is missing.
        RunFailedError: Something is not as it was when the chain was written; the line says what.
    """
    # 1. Its own lines.
    if not directory.chain.is_file():
        raise UserError(f"{directory.path}: has no {directory.chain.name}; it was trained before runs kept one")
    lines, _, is_whole = read(directory.chain)
    if not is_whole:
        raise not_this_run(f"{directory.chain.name} cannot be read at line {len(lines) + 1}")
    if not lines or lines[0]["kind"] != SESSION:
        raise not_this_run(f"{directory.chain.name} does not begin with a session")
    before = ""
    for number, line in enumerate(lines, 1):
        if link_of(before, line) != line["link"]:
            raise not_this_run(f"{directory.chain.name} was changed at line {number}, {line['kind']}")
        before = line["link"]
    # 2. The losses, the journal and the other files.
    for file in (directory.losses, directory.journal, directory.config):
        if not file.is_file():
            raise UserError(f"{directory.path}: has no {directory.name_of(file)}, which is needed to verify it")
    _check_ranges(directory, lines)
    standing = Standing.of(lines)
    _check_uncovered(directory, standing)
    return CheckedChain(lines, standing, *_check_files(directory, standing))


def _check_ranges(directory: RunDirectory, lines: list[Link]) -> None:
    steps = position = 0
    for number, line in enumerate(lines, 1):
        if "losses" not in line:
            continue
        (first, last, expected), (start, end, of_journal) = line["losses"], line["journal"]
        if (first, start) != (steps, position):
            raise not_this_run(f"{directory.chain.name} has a gap before line {number}, {line['kind']}")
        steps, position = last, end
        if (found := digest(losses_between(directory, first, last))) != expected:
            raise _changed(f"losses.f32, steps {first + 1:,} to {last:,},", expected, found)
        if (found := digest(journal_between(directory, start, end))) != of_journal:
            raise _changed(f"journal.jsonl, bytes {start:,} to {end:,} ({line['kind']}),", of_journal, found)
        if line["kind"] == SCORED and (kind := next(_training_lines(directory, start, end), None)):
            raise not_this_run(f"journal.jsonl has metrics of {kind} that were added after the end")


def _training_lines(directory: RunDirectory, start: int, end: int | None) -> Iterator[str]:
    """Yield what lines with metrics that only training writes are about, within some bytes of the journal."""
    for line, position in read_journal(directory.journal, start):
        if end is not None and position > end:
            return
        if line["kind"] == "metrics" and "/" not in line["key"]:  # with a slash: of the command `evaluate`
            yield f"{line['key']} {line['step']:,}"


def _check_uncovered(directory: RunDirectory, standing: Standing) -> None:
    """Make sure that a run that has ended has no more metrics; one that was killed may have had no time for that."""
    if not standing.is_ended:
        return
    for line, _ in read_journal(directory.journal, standing.journal):
        if line["kind"] == "metrics":
            raise not_this_run(
                f"journal.jsonl has metrics ({line['key']}, step {line['step']:,}) that the chain does not cover"
            )


def _check_files(directory: RunDirectory, standing: Standing) -> tuple[list[str], list[str], list[str]]:
    weights = {directory.name_of(file): file for file in directory.weights()}
    there, missing = list[str](), list[str]()
    for name, expected in standing.files.items():
        found = digest_of(directory.path / name)
        is_needed = (directory.path / name) == directory.config
        if found is None and is_needed:
            raise UserError(f"{directory.path}: has no {name}, which is needed to verify it")
        if name in standing.pending:
            continue
        if found is None:
            missing.append(name)
        elif found != expected:
            raise _changed(name, expected, found)
        elif name in weights:
            there.append(name)
    unknown = [name for name in weights if name not in standing.files and name not in standing.pending]
    if unknown and standing.is_ended:
        raise not_this_run(f"{unknown[0]} is a file that the run did not write")
    return there, missing, [*(name for name in weights if name in standing.pending), *unknown]


def _changed(what: str, expected: str, found: str) -> RunFailedError:
    return not_this_run(f"{what} was changed: its digest was {expected[:_SHORT]}…, and is {found[:_SHORT]}…")
