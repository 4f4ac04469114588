"""Shows a person that something is at work: one live line on a terminal, plain lines elsewhere.

``say`` prints a line, ``busy`` names what takes time, and ``show`` lets training draw its progress. All of them share
the last row of the terminal, so that no line breaks another.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import current_process
from typing import Any, TextIO

from tqdm import tqdm

from gan_experiments.tracking.line_parts import fit

_SILENCE = 2.0
"""Seconds after which something must be said again."""
_BEAT = 0.5
"""Seconds between drawings of the live line while nothing new comes."""
_GLANCE = 0.3
"""Seconds for which something must have been at work before the live line tells of it."""


@dataclass
class _Activity:
    """Something that takes time.

    Attributes:
        text: Describes it in at most so many columns; the second argument is its age in seconds.
        preliminary: Whether it is over as soon as something else begins within it.
        began: When it began, on the monotonic clock.
        on_top: Since when nothing else was at work within it.
    """

    text: Callable[[int, float], str]
    preliminary: bool = False
    began: float = field(default_factory=time.monotonic)
    on_top: float = field(default_factory=time.monotonic)


class _LiveLine(tqdm):
    """The last row of the terminal, drawn again and again; tqdm keeps it apart from other lines and bars.

    The cursor rests at the row's beginning. A terminal that becomes narrower breaks the row into several, of which
    the cursor stays in the first, so that everything from there on can be erased.
    """

    def __init__(self) -> None:
        super().__init__(file=sys.stderr, dynamic_ncols=True, bar_format="{desc}", leave=False)

    def __str__(self) -> str:
        return _text(width(sys.stderr))

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Return a function that draws a text in the row."""
        shown = ""

        def draw(text: str) -> None:
            nonlocal shown
            if text or shown:  # there may be lines of other processes
                file.write(f"\r\033[J{text}\r")
                file.flush()
            shown = text

        return draw


_lock = threading.RLock()
_activities: list[_Activity] = []
_line: _LiveLine | None = None
_beating: threading.Thread | None = None
_said = 0.0


def say(line: str, stream: TextIO | None = None) -> None:
    """Print a line without breaking the live one.

    Args:
        line: The line.
        stream: Where to; by default stderr.
    """
    global _said
    with _lock:
        _said = time.monotonic()
        tqdm.write(line, file=stream or sys.stderr)
        (stream or sys.stderr).flush()


@contextmanager
def busy(what: str, *, preliminary: bool = False) -> Iterator[None]:
    """Tell of something that may take seconds, for as long as it does.

    A terminal shows it in its last row. Elsewhere a line says it after some seconds of silence, and again from time
    to time, so that nobody who follows the output takes the program for dead.

    Args:
        what: In words, such as ``writing the report``; an empty text shows nothing.
        preliminary: Whether it is over as soon as something else begins within it.
    """
    with show(lambda columns, age: _in_columns(what, columns, age), preliminary=preliminary):
        yield


def _in_columns(what: str, columns: int, age: float) -> str:
    if not what:
        return ""
    return fit([[f"{what} …", f"{what} … {age:.0f} s"] if age >= 1 else [f"{what} …"]], columns) or "…"[:columns]


@contextmanager
def show(text: Callable[[int, float], str], *, preliminary: bool = False) -> Iterator[None]:
    """Show a text for some time, drawn anew as often as it changes.

    Args:
        text: Returns it, given the columns that there are and the seconds that have passed.
        preliminary: Whether it is over as soon as something else begins within it.
    """
    activity = _Activity(text, preliminary)
    _begin(activity)
    try:
        yield
    finally:
        _end(activity)


def redraw() -> None:
    """Draw the live line, where there is one, because what it tells of has changed."""
    with _lock, suppress(OSError, ValueError):  # whoever looked on has gone
        if _line is not None:
            _line.refresh()


def is_live(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which a row can be drawn again, and this process's own.

    Processes that share a sweep's runs share its terminal too, and would draw over each other.
    """
    try:
        return (
            stream.isatty()
            and os.environ.get("TERM") != "dumb"
            and width(stream) > 0
            and current_process().name == "MainProcess"
        )
    except (OSError, ValueError):  # closed, or none at all
        return False


def width(stream: TextIO) -> int:
    """Return the columns of a terminal that can be written; 0 where it has no size, as some programs provide them.

    The last column stays free: some terminals begin a new row once it is written.
    """
    try:
        return max(0, os.get_terminal_size(stream.fileno()).columns - 1)
    except (OSError, ValueError):
        return 0


def _begin(activity: _Activity) -> None:
    global _line, _beating, _said
    with _lock:
        if not _activities:
            _said = time.monotonic()
        for outer in _activities:
            if outer.preliminary:
                outer.text = _nothing
        _activities.append(activity)
        if len(_activities) == 1 and is_live(sys.stderr):
            _line = _LiveLine()
        if _beating is None or not _beating.is_alive():  # a forked process has no thread but its first
            _beating = threading.Thread(target=_beat, name="terminal", daemon=True)
            _beating.start()


def _end(activity: _Activity) -> None:
    global _line
    with _lock:
        _activities.remove(activity)
        if _activities:
            _activities[-1].on_top = time.monotonic()
        elif _line is not None:
            line, _line = _line, None
            with suppress(OSError, ValueError):
                line.close()


def _nothing(_columns: int, _age: float) -> str:
    return ""


def _text(columns: int) -> str:
    """Return what the live line shows."""
    now = time.monotonic()
    for activity in reversed(_activities):
        if now - activity.on_top >= _GLANCE or activity is _activities[0]:
            return activity.text(columns, now - activity.began)
    return ""


def _beat() -> None:
    """Draw the live line, or break the silence, until nothing is at work any more."""
    global _beating
    while True:
        time.sleep(_BEAT)
        with _lock:
            if not _activities:
                _beating = None
                return
            if _line is not None:
                redraw()
                continue
            age = time.monotonic() - _activities[-1].began
            # The longer something takes, the more rarely: a log of hours is read by people too.
            if time.monotonic() - _said < max(_SILENCE, age / 8):
                continue
            line = _activities[-1].text(sys.maxsize, age)
            if line:
                with suppress(OSError, ValueError):
                    say(line)
