"""The chain of digests in a run's folder: what trained, on what, and all that it left, each line bound to the last.

A line is ``{"kind", "step", …, "link"}``: ``link`` is the SHA-256 of the link before it and of the line's own
content, as JSON with sorted keys and without spaces. As its kind needs it, a line has

- ``losses`` and ``journal``: ``[from, to, sha256]``, steps of ``losses.f32`` and bytes of ``journal.jsonl`` that no
  line before it covers;
- ``files``: names in the folder, each with its SHA-256, or null for one that was removed. A ``writing`` line names
  them before they are written: a process that is killed meanwhile leaves either the old file or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_experiments.tracking.run_directory import RunDirectory, write_atomically

Link = dict[str, Any]
"""A line of a chain."""

SESSION, EPOCH, WRITING, FILES, END, SCORED = "session", "epoch", "writing", "files", "end", "scored"
_PAIR = 8
"""Bytes that a step has in ``losses.f32``."""


@dataclass(frozen=True)
class Standing:
    """What the lines of a chain say together.

    Attributes:
        link: Link of the last line; empty without lines.
        steps: Steps whose losses they cover.
        journal: Bytes of the journal that they cover.
        files: The files with their digests, without those that were removed.
        pending: Files of which one process was killed while it wrote them.
        is_ended: Whether the last process that trained came to its end.
    """

    link: str
    steps: int
    journal: int
    files: Mapping[str, str]
    pending: frozenset[str]
    is_ended: bool

    @classmethod
    def of(cls, lines: Sequence[Link]) -> Standing:
        """Return the standing after some lines from the first one on."""
        link, steps, journal, files, pending, ended = "", 0, 0, dict[str, str | None](), set[str](), False
        for line in lines:
            link, kind = line["link"], line["kind"]
            steps, journal = (
                line.get(name, [0, known])[1] for name, known in (("losses", steps), ("journal", journal))
            )
            if kind == WRITING:
                pending |= {*line["files"]}
            else:
                files |= line.get("files", {})
                pending -= line.get("files", {}).keys()
            ended = kind == END or (ended and kind != SESSION)
        there = {name: digest for name, digest in files.items() if digest is not None}
        return cls(link, steps, journal, there, frozenset(pending), ended)


def read(path: Path) -> tuple[list[Link], list[int], bool]:
    """Read a chain.

    Returns:
        Its lines up to the first that cannot be read, the byte at which each ends, and whether that was all. A last
        line without an end, which a crash left, is none.
    """
    lines, ends, end = list[Link](), list[int](), 0
    for text in path.read_bytes().splitlines(keepends=True):
        if not text.endswith(b"\n"):
            break
        end += len(text)
        try:
            line = json.loads(text)
        except ValueError:
            return lines, ends, False
        if not isinstance(line, dict) or not {"kind", "step", "link"} <= line.keys():
            return lines, ends, False
        lines.append(line)
        ends.append(end)
    return lines, ends, True


def link_of(before: str, line: Mapping[str, Any]) -> str:
    """Return the link of a line after the link ``before``, in hexadecimal."""
    content = {key: value for key, value in line.items() if key != "link"}
    return hashlib.sha256(before.encode() + _written(content)).hexdigest()


def _written(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of(file: Path) -> str | None:
    """Return the SHA-256 of a file, in hexadecimal; None where there is none."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def losses_between(directory: RunDirectory, first: int, last: int) -> bytes:
    """Return the losses after step ``first`` up to step ``last`` as they lie in a run's folder; zeros for none."""
    return _part(directory.losses, _PAIR * first, _PAIR * last).ljust(_PAIR * (last - first), b"\0")


def journal_between(directory: RunDirectory, first: int, last: int | None = None) -> bytes:
    """Return bytes of a run's journal; without ``last`` up to the end of its last whole line."""
    content = _part(directory.journal, first, last)
    return content if last is not None else content[: content.rfind(b"\n") + 1]


def _part(path: Path, first: int, last: int | None) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(first)
        return file.read(-1 if last is None else max(last - first, 0))


class Chain:
    """Adds lines to the chain of a run; its folder must be claimed.

    Args:
        directory: The run's folder.
        standing: That of the lines so far.
    """

    def __init__(self, directory: RunDirectory, standing: Standing) -> None:
        self._directory, self._link = directory, standing.link
        self._steps, self._journal = standing.steps, standing.journal

    @classmethod
    def begin(cls, directory: RunDirectory, step: int, facts: Mapping[str, Any], files: Sequence[Path]) -> Chain:
        """Begin or continue the chain of a run that trains on from ``step``, with a line of the kind ``session``.

        What holds no longer is left out: lines beyond ``step``, whose losses are written again. Weights that are
        there stay covered by what was known of them.

        Args:
            directory: The run's folder.
            step: Steps done before.
            facts: What is to be known about the process and what it trains.
            files: Files to digest now: the configuration, and what the run goes on from.
        """
        lines, ends, _ = read(directory.chain) if directory.chain.exists() else ([], [], True)
        size, count = directory.journal.stat().st_size, 0
        while count < len(lines) and lines[count]["step"] <= step and lines[count].get("journal", [0, 0])[1] <= size:
            count += 1
        kept, known = Standing.of(lines[:count]), Standing.of(lines)
        chain = cls(directory, kept)
        names = {directory.name_of(file): digest_of(file) for file in files}
        for file in directory.weights():
            name = directory.name_of(file)
            if name in names:
                continue
            found = known.files.get(name)
            found = digest_of(file) if found is None or name in known.pending else found
            if kept.files.get(name) != found:
                names[name] = found
        lost = (kept.pending | kept.files.keys()) - names.keys()
        names |= {name: None for name in lost if not (directory.path / name).exists()}
        line = chain._next(SESSION, step, True, {**facts, "files": names})
        before = directory.chain.read_bytes()[: ends[count - 1]] if count else b""
        write_atomically(directory.chain, before + line, settled=False)
        return chain

    @classmethod
    def of_a_run(cls, directory: RunDirectory) -> Chain | None:
        """Return the chain of a run that has one, to add a line to it; else None."""
        return cls(directory, Standing.of(read(directory.chain)[0])) if directory.chain.is_file() else None

    def add(self, kind: str, step: int, covers: bool = True, *, settled: bool = False, **content: Any) -> None:
        """Add a line.

        Args:
            kind: Its kind.
            step: Steps done.
            covers: Whether it covers the losses and the journal that no line covers yet.
            settled: Whether it survives a power cut from here on.
            content: What it says besides.
        """
        line = self._next(kind, step, covers, content)
        with self._directory.chain.open("ab", buffering=0) as file:
            file.write(line)
            if settled:
                os.fsync(file.fileno())

    def _next(self, kind: str, step: int, covers: bool, content: Mapping[str, Any]) -> bytes:
        line: Link = {"kind": kind, "step": step, **content}
        if covers:
            last = max(step, self._steps)  # what is scored may be older than what was trained
            losses = losses_between(self._directory, self._steps, last)
            journal = journal_between(self._directory, self._journal)
            end = self._journal + len(journal)
            line |= {"losses": [self._steps, last, digest(losses)], "journal": [self._journal, end, digest(journal)]}
            self._steps, self._journal = last, end
        self._link = link_of(self._link, line)
        return _written(line | {"link": self._link}) + b"\n"

    @contextmanager
    def writing(self, step: int, files: Sequence[Path]) -> Iterator[None]:
        """Write or remove files inside this context: a line before says which, and one after it what they are."""
        names = {self._directory.name_of(file): file for file in files}
        # After a power cut, a new file without its line is taken in when the run goes on; of an old one the line must
        # say that its digest may be another.
        self.add(WRITING, step, False, settled=any(map(Path.exists, files)), files=sorted(names))
        yield
        self.add(FILES, step, False, files={name: digest_of(file) for name, file in names.items()})
