"""Forgery: a run's folder that was changed by somebody who knows how its chain is made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import numpy as np

from gan_experiments.tracking.chain import digest, digest_of, journal_between, link_of, losses_between, read
from gan_experiments.tracking.run_directory import RunDirectory


def flip_bit(file: Path, where: float = 0.5) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 1
    file.write_bytes(content)


def change_loss(run: RunDirectory, step: int) -> None:
    """Change the last bit of D's loss at a step."""
    losses = np.fromfile(run.losses, "<f4")
    losses[2 * (step - 1)] = np.nextafter(losses[2 * (step - 1)], np.float32(9))
    losses.tofile(run.losses)


def change_metric(run: RunDirectory, key: str, name: str, value: float) -> None:
    """Change a value in the last line of the journal with metrics of a key."""
    lines = [json.loads(line) for line in run.journal.read_text().splitlines()]
    last = next(line for line in reversed(lines) if line["kind"] == "metrics" and line["key"] == key)
    last["values"][name] = value
    run.journal.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


def change_text(file: Path, old: str, new: str) -> None:
    """Replace some text in a file, which has it."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@contextmanager
def forging_the_chain(run: RunDirectory) -> Iterator[None]:
    """Make the chain fit what is changed inside this context: digests and links."""
    lines, _, _ = read(run.chain)
    before = _ends(run)
    counts = [before.index(line["journal"][1]) for line in lines if "journal" in line]
    yield
    ends, link, start, order = _ends(run), "", 0, iter(counts)
    for line in lines:
        if "journal" in line:
            first, last, _ = line["losses"]
            end = ends[next(order)]
            line["losses"][2] = digest(losses_between(run, first, last))
            line["journal"] = [start, end, digest(journal_between(run, start, end))]
            start = end
        if line["kind"] in ("files", "session"):
            line["files"] = {name: line["files"][name] and digest_of(run.path / name) for name in line["files"]}
        line["link"] = link = link_of(link, line)
    run.chain.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _ends(run: RunDirectory) -> list[int]:
    """The bytes at which lines of the journal end, 0 first."""
    return [0, *accumulate(map(len, run.journal.read_bytes().splitlines(keepends=True)))]
