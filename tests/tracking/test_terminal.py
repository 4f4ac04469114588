"""What a person sees while something is at work, and paths that can be clicked."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from gan_experiments.tracking import terminal
from gan_experiments.tracking.hyperlink import clickable
from tests.support.terminals import shown

BUSY = (
    "import sys, time; from gan_experiments.tracking.terminal import busy, say\n"
    "with busy('counting'):\n"
    "    time.sleep({seconds}); say('half'); time.sleep({seconds})\n"
    "print('over', file=sys.stderr)"
)


def test_a_terminal_shows_at_once_what_is_at_work_and_nothing_of_it_stays() -> None:
    output = shown(30, BUSY.format(seconds=0.6))
    assert output.startswith("\r\033[Jcounting …")
    *_, kept = output.split("\033[J")
    assert "half" in output
    assert kept.strip() == "over"


def test_elsewhere_what_takes_long_is_said_in_lines_and_what_does_not_is_not() -> None:
    def lines(seconds: float) -> list[str]:
        command = [sys.executable, "-c", BUSY.format(seconds=seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        return done.stderr.splitlines()

    assert lines(0.1) == ["half", "over"]
    slow = lines(3.5)
    assert slow[0].startswith("counting … ")
    assert slow.index("half") < len(slow) - 2
    assert not any("\r" in line or "\033" in line for line in slow)


def test_what_is_at_work_within_something_else_is_shown_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal.busy("outside"):
        with terminal.busy("inside"):
            monkeypatch.setattr(terminal, "_GLANCE", 0.0)
            assert terminal._text(40) == "inside …"
            monkeypatch.setattr(terminal, "_GLANCE", 100.0)
            assert terminal._text(40) == "outside …"  # what is over at once does not flicker
        assert terminal._text(5) == "…"  # never cut, and never longer than there is room
    assert terminal._text(40) == ""


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_path_is_a_link_where_a_terminal_knows_links(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a b #1.png"
    monkeypatch.delenv("VTE_VERSION", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert clickable(path, io.StringIO()) == str(path)
    link = clickable(path, _Screen())
    assert link.startswith("\033]8;;file://")
    assert f"{tmp_path}/a%20b%20%231.png\033\\{path}\033]8;;\033\\" in link
    for name, value in (("TERM", "linux"), ("TERM", "dumb"), ("VTE_VERSION", "4803")):
        with monkeypatch.context() as context:
            context.setenv(name, value)
            assert clickable(path, _Screen()) == str(path)
