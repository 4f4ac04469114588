"""The two answers of a destination that are no outage."""

from __future__ import annotations


class GoneError(Exception):
    """The destination no longer has the run, or not what it had of it: the run is delivered anew."""


class RefusedError(Exception):
    """The destination answered, and does not take the run. Sending it again would be refused again.

    Its message is one line: why, in the destination's own words, and what mends it.
    """
