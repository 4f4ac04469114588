"""The command line: reading it, and saying in one line what is wrong with it."""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hydra.errors import (
    CompactHydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from gan_experiments.configuration import key_names, override, standard_output
from gan_experiments.configuration.hydra_internals import flags
from gan_experiments.errors import RunFailedError, UserError

_COMPANIES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_SIZE")
"""Variables that say how many processes were started together: torchrun and accelerate, Open MPI, MPICH, MVAPICH."""
_OF_THE_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE),
}
"""Failures of files that are no defects of the program: a full disk, rights, names."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse Hydra's flags, and the overrides as ``overrides``.

    Raises:
        UserError: A flag is unknown, or stands between overrides.
    """
    parser = flags()
    parser.exit_on_error = False
    try:
        parsed, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    if rest and rest[0].startswith("-"):
        raise UserError(f"{rest[0]}: no such flag; --help shows what there is, --hydra-help lists Hydra's flags")
    if rest:
        raise UserError(f"{rest[0]}: keys must stand together; put flags before them or after them")
    return parsed


def check_options(overrides: Sequence[str]) -> None:
    """Refuse groups that are set to a number or to null; Hydra does so too, without saying which one it was.

    Raises:
        UserError: One is.
        OverrideParseException: An override cannot be read.
    """
    for each in override.parse(overrides):
        is_option = each.is_sweep_override() or isinstance(each.value(), str | list | dict)
        if each.key_or_group in key_names.GROUPS and not (is_option or each.is_delete()):
            raise UserError(f"{each.input_line}: must name one of the options of {each.key_or_group}")


def let_threads_rest() -> None:
    """Have torch's OpenMP threads wait actively for each other for about 0.3 ms; call it before torch is imported.

    By default they use whole time slices, and two processes on the same cores then slow each other 30-fold; alone, a
    step is as fast as before.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def check_alone(environment: Mapping[str, str]) -> None:
    """Refuse to be one of several processes that are to train one run together, such as those of ``torchrun``.

    Each would train the whole run. Tasks of a SLURM step are none of these: each may have values of its own, as in
    ``seed=$SLURM_PROCID``.

    Raises:
        UserError: This process is one of several.
    """
    for name in _COMPANIES:
        if environment.get(name, "").isdecimal() and int(environment[name]) > 1:
            raise UserError(
                f"{name}={environment[name]}: one run trains on one device, so that these processes would all train "
                "the same; start one, without torchrun, accelerate or mpirun; many devices train a sweep: -m"
            )


@contextmanager
def user_errors() -> Iterator[None]:
    """Report errors that the user can fix, and runs that failed, in one line on stderr, and exit; let others pass.

    Within, standard output and error are side outputs: a command does its work, and ends with the work's status,
    whatever becomes of their readers.

    The exit status is 2 for a wrong command, 1 for a run that failed or a disk that is full, and 130 after Ctrl-C.
    """
    with standard_output.never_failing():
        try:
            yield
        except KeyboardInterrupt as interrupt:
            sys.stderr.write("stopped by Ctrl-C\n")
            raise SystemExit(128 + signal.SIGINT) from interrupt
        except Exception as error:
            line = describe(error)
            if line is None:
                raise
            sys.stderr.write(f"error: {line}\n")
            raise SystemExit(2 if is_mistake(error) else 1) from error


def end_of_printing() -> None:
    """End a command that does nothing but print, such as ``--help``.

    Raises:
        SystemExit: What it printed could not be written: 141 if the reader has closed it (``| head``), else 1, after
            one line.
    """
    failure = standard_output.lost()
    if isinstance(failure, BrokenPipeError):
        raise SystemExit(128 + signal.SIGPIPE)
    if failure is not None:
        sys.stderr.write(f"error: standard output cannot be written ({failure.strerror})\n")
        raise SystemExit(1)


@contextmanager
def user_error() -> Iterator[None]:
    """Raise every error that the user can fix as a ``UserError`` of the line that the commands print.

    Raises:
        UserError: In place of Hydra's, OmegaConf's and YAML's own.
    """
    try:
        yield
    except (UserError, RunFailedError):
        raise
    except Exception as error:
        line = describe(error)
        if line is None:
            raise
        raise UserError(line) from error


@contextmanager
def not_swallowed() -> Iterator[None]:
    """End the program on a defect of a callback, whose exceptions Hydra would turn into warnings."""
    try:
        yield
    except Exception as error:
        line = describe(error)  # such as a full disk
        sys.stderr.write(f"error: {line}\n" if line else traceback.format_exc())
        sys.exit(1)


def is_mistake(error: Exception) -> bool:
    """Return whether an error with a description is one of the user, and none of the run or the machine."""
    of_the_machine = isinstance(error, OSError) and error.errno in _OF_THE_MACHINE
    return not (isinstance(error, RunFailedError) or of_the_machine or _is_out_of_memory(error))


def describe(error: Exception) -> str | None:
    """Return one line for an error that is no defect of the program; None for every other."""
    match error:
        case UserError() | RunFailedError():
            line = str(error)
        case InstantiationException():
            return describe(error.__cause__) if isinstance(error.__cause__, UserError) else None
        case MissingConfigException():
            line = _no_such_option(error)
        case OverrideParseException():
            # Without the parts that need several lines: a mark below the place, and a link.
            why = re.sub(r"\n *\^|\nSee .*", "", error.message).splitlines()[-1]
            line = f"{error.override}: cannot be read ({why}); quote special characters: 'key=\"value\"'"
        case CompactHydraException():
            line = _not_composable(error)
        case YAMLError():
            line = str(error)
        case ValueError() if _raised_by_hydra(error):
            line = str(error)
        case OSError() if error.errno in _OF_THE_MACHINE:
            line = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        case Exception() if _is_out_of_memory(error):
            line = f"out of memory ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        case _:
            return None
    return " ".join(line.split())


def _is_out_of_memory(error: Exception) -> bool:
    # By name, because this module does without torch, whose allocator for CPUs has no exception of its own.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def _raised_by_hydra(error: Exception) -> bool:
    """Return whether Hydra refused some input with a plain ``ValueError``."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals["__name__"].startswith("hydra.")


def _no_such_option(error: MissingConfigException) -> str:
    if not error.options:
        return str(error).partition("\nSearch path:")[0]
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    return f"{group}={option}: no such option; {group} has {', '.join(sorted(error.options))}"


def _not_composable(error: CompactHydraException) -> str:
    text, cause = str(error), error.__cause__ or error.__context__
    sweep = re.match(r"Ambiguous value for argument '(.+)'\n", text)
    if sweep:
        return f"{sweep[1]}: several values need -m, which makes a sweep of them; one list is written [1,2]"
    through = re.match(r"Could not override 'hydra/launcher/through'.* \+(.+)$", text, re.DOTALL)
    if through:
        return f"{through[1]}: goes with hydra/launcher=fused"
    pruner = re.match(r"Could not override 'hydra/sweeper/pruner'.* \+(.+)$", text, re.DOTALL)
    if pruner:
        return f"{pruner[1]}: goes with hydra/sweeper=optuna; sweep.prune=asha prunes a list of settings"
    if not isinstance(cause, OmegaConfBaseException):
        return text
    override = re.search(r"(?:use \+|Error merging override )(.+)$", text)
    file = re.match(r"In '(.+?)': ", text)
    given = override[1].lstrip("+") if override else str(cause.full_key)
    if given.startswith("~"):
        return f"{given}: cannot be deleted; every key of the schema is needed"
    where = f"{file[1]}.yaml: " if file else ""
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        parent = str(cause.full_key).rpartition(".")[0]
        line = key_names.unknown(given, parent, [str(name) for name in cause.parent_node])
        return where + (f"{line}; a new one is added with +{given}" if cause.object_type is dict else line)
    if isinstance(cause, ValidationError):
        words = key_names.words_for(re.sub(r"\[\d+\]$", "", str(cause.full_key)))
        if words:
            return f"{where}{given}: must be {words}"
    return f"{where}{given}: {str(cause).splitlines()[0]}"
