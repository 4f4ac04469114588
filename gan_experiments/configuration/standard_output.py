"""Standard output and error as side outputs: whatever becomes of their readers, the work goes on."""

from __future__ import annotations

import io
import logging
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_PATIENCE = 10.0
"""Seconds for which a reader that set the descriptor not to block may keep a line waiting."""


class _Lenient(io.FileIO):
    """A descriptor to which writing never fails: what cannot be written is lost.

    Attributes:
        failure: Why something was lost for the first time; None as long as nothing was.
    """

    failure: OSError | None = None

    def write(self, content: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Write what can be written; claim to have written all."""
        try:
            written = super().write(content)
            if written is None:
                select.select([], [self], [], _PATIENCE)
                written = super().write(content)
        except OSError as error:
            self.failure = self.failure or error
            return len(content)
        if written is None:
            self.failure = self.failure or BlockingIOError("nobody reads it")
        return len(content) if written is None else written


@contextmanager
def never_failing() -> Iterator[None]:
    """Keep printing, logging and progress bars from ending the program: with the text that is lost, nothing else is.

    A closed pipe, a terminal that is gone, a full disk below a redirected output, a descriptor that the caller has
    closed, or an encoding without some character then cost text alone. Streams that are not files, such as those of
    a notebook, stay as they are; within itself this has no effect.
    """
    _occupy()
    before, complains = (sys.stdout, sys.stderr), logging.raiseExceptions
    sys.stdout, sys.stderr = map(_lenient, before)
    logging.raiseExceptions = False  # a log file that cannot be written would print a traceback with every line
    try:
        yield
    finally:
        for stream, original in zip((sys.stdout, sys.stderr), before, strict=True):
            if stream is not original:
                stream.flush()
        sys.stdout, sys.stderr = before
        logging.raiseExceptions = complains


def lost() -> OSError | None:
    """Return why something that was printed on standard output could not be written; None if all arrived."""
    sys.stdout.flush()
    raw = _raw(sys.stdout)
    return raw.failure if isinstance(raw, _Lenient) else None


def _occupy() -> None:
    """Open the standard descriptors that are closed: files opened later would get their numbers, and stray prints."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)


def _lenient(stream: TextIO | None) -> TextIO:
    if stream is None:  # Python found the descriptor closed
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if isinstance(_raw(stream), _Lenient):
        return stream
    try:
        raw = _Lenient(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError, AttributeError):  # no file, or one that is closed
        return stream
    stream.flush()
    # An unbuffered stream (python -u) becomes one that is flushed with every line.
    at_once = stream is sys.stderr or raw.isatty() or getattr(stream, "write_through", False)
    buffer = io.BufferedWriter(raw)  # pyright: ignore[reportArgumentType] it returns None where nothing was taken
    return io.TextIOWrapper(buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=at_once)


def _raw(stream: TextIO) -> object:
    return getattr(getattr(stream, "buffer", None), "raw", None)
