from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tqdm import tqdm

from gan_experiments.configuration import standard_output
from gan_experiments.configuration.command_line import user_errors


@contextmanager
def printing_to(descriptor: int, monkeypatch: pytest.MonkeyPatch, encoding: str = "utf-8") -> Iterator[None]:
    """Let both standard streams write to a descriptor, as Python itself would."""
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(descriptor, "wb", closefd=False)), encoding)
        monkeypatch.setattr(sys, name, stream)
    try:
        yield
    finally:
        os.close(descriptor)


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def lost_terminal() -> int:
    ours, theirs = os.openpty()
    os.close(ours)
    return theirs


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def unread_pipe() -> int:
    """One that does not block, and that nobody reads."""
    _, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, b"x" * 1_000_000)
    return writer


@pytest.mark.parametrize(
    ("descriptor", "number"),
    [
        (closed_pipe, errno.EPIPE),
        (lost_terminal, errno.EIO),
        (full_disk, errno.ENOSPC),
        (unread_pipe, None),
    ],
)
def test_work_goes_on_without_a_reader(
    descriptor: object, number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(descriptor)
    monkeypatch.setattr(standard_output, "_PATIENCE", 0.0)
    done = False
    with printing_to(descriptor(), monkeypatch), standard_output.never_failing():
        handler = logging.StreamHandler(sys.stdout)
        print("a line", flush=True)
        sys.stderr.write("another\n")
        for _ in tqdm(range(3)):
            tqdm.write("above the bar")
        handler.emit(logging.makeLogRecord({"msg": "logged"}))
        assert (failure := standard_output.lost()) is not None
        assert failure.errno == number
        done = True
    assert done


def test_what_can_be_written_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with printing_to(writer, monkeypatch), standard_output.never_failing():
        print("one")
        sys.stderr.write("two\n")
        assert standard_output.lost() is None
    with os.fdopen(reader, "rb") as pipe:
        assert sorted(pipe.read().split()) == [b"one", b"two"]


def test_a_character_that_the_encoding_lacks_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with printing_to(writer, monkeypatch, "ascii"), standard_output.never_failing():
        print("run  β1=0.5")
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"run  \\u03b21=0.5\n"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # logging leaves the file open
def test_a_log_file_on_a_full_disk_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with standard_output.never_failing():
        handler = logging.FileHandler("/dev/full", delay=True)
        handler.emit(logging.makeLogRecord({"msg": "logged"}))
        logging.shutdown([weakref.ref(handler)])
    assert capsys.readouterr().err == ""


def test_commands_are_so_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    with printing_to(closed_pipe(), monkeypatch), user_errors():
        print("a line", flush=True)


def test_no_file_gets_the_number_of_a_closed_descriptor(tmp_path: object) -> None:
    """Else whatever is printed by other code would end in it."""
    program = (
        "from gan_experiments.configuration.standard_output import never_failing\n"
        "with never_failing():\n"
        "    print('lost')\n"
        f"    assert open('{tmp_path}/journal', 'w').fileno() > 2\n"
    )
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", sys.executable, "-c", program], check=False)
    assert closed.returncode == 0
