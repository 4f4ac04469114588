"""The command, called in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan_experiments import run
from tests.support.real_runs import without_waiting


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit status, both outputs, and the files in its working directory."""

    status: int
    out: str
    err: str
    files: list[str]


Command = Callable[..., Answer]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``python -m gan_experiments.run`` with the given arguments, in this process, from an empty folder."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["run", *arguments])
        status = 0
        try:
            run.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        out, err = capfd.readouterr()
        return Answer(
            status, out, without_waiting(err), sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        )

    return call
