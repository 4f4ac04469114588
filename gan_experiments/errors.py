"""The two exceptions that end a command with one line instead of a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Bad input. Its message is one line that names the key, the value, and what is allowed.

    Commands print it as ``error: …`` on stderr and exit with status 2; they never show a traceback for it.
    """


class RunFailedError(Exception):
    """A run ended without reaching its last step. Its message is one line with the step and the reason."""
