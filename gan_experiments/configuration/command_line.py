"""What a person typed, read; and what was wrong with it, said in one line."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    CompactHydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from gan_experiments.configuration import key_names
from gan_experiments.errors import RunFailedError, UserError


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Hydra's flags and the overrides, as Hydra reads them.

    Raises:
        UserError: A flag is unknown, or stands between overrides.
    """
    parser = get_args_parser()
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
    """Refuse groups that are set to a number or to null, as Hydra does without saying which one it was.

    Raises:
        UserError: One is.
        OverrideParseException: An override cannot be read.
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        is_option = override.is_sweep_override() or isinstance(override.value(), str | list | dict)
        if override.key_or_group in key_names.GROUPS and not (is_option or override.is_delete()):
            raise UserError(f"{override.input_line}: must name one of the options of {override.key_or_group}")


@contextmanager
def user_errors() -> Iterator[None]:
    """Say in one line on stderr what a person can mend, or how a run failed, and exit; let all else pass.

    The exit status is 2 for what was asked wrongly, 1 for a run that failed, 130 after Ctrl-C,
    and 141 where nobody reads the output any more.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise SystemExit(128 + signal.SIGINT) from interrupt
    except BrokenPipeError as gone:
        # Who read has enough (`--help | head`); nor may the interpreter's own last flush complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from gone
    except Exception as error:
        line = describe(error)
        if line is None:
            raise
        sys.stderr.write(f"error: {line}\n")
        raise SystemExit(1 if isinstance(error, RunFailedError) else 2) from error


@contextmanager
def not_swallowed() -> Iterator[None]:
    """Hydra turns a callback's exceptions into warnings; a defect of ours must end the program all the same."""
    try:
        yield
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def describe(error: Exception) -> str | None:
    """One line for an error that is no defect of the program; None for every other."""
    match error:
        case UserError() | RunFailedError():
            line = str(error)
        case InstantiationException():
            return describe(error.__cause__) if isinstance(error.__cause__, UserError) else None
        case MissingConfigException():
            line = _no_such_option(error)
        case OverrideParseException():
            # Parts that only a terminal's lines can show: where it was, and a reference.
            why = re.sub(r"\n *\^|\nSee .*", "", error.message).splitlines()[-1]
            line = f"{error.override}: cannot be read ({why}); quote special characters: 'key=\"value\"'"
        case CompactHydraException():
            line = _not_composable(error)
        case YAMLError():
            line = str(error)
        case ValueError() if _raised_by_hydra(error):
            line = str(error)
        case _:
            return None
    return " ".join(line.split())


def _raised_by_hydra(error: Exception) -> bool:
    """Hydra refuses some input with a plain ``ValueError``."""
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
