"""Paths and addresses that a terminal opens when they are clicked."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

_UNFIT = ("", "dumb", "linux")
"""Terminals, by ``$TERM``, that would show the codes of a link as they are."""
_FIRST_VTE = 5000
"""GNOME's terminals (``$VTE_VERSION``) had links from 0.50 on."""


def clickable(target: Path | str, stream: TextIO) -> str:
    """Return a path or a web address, as a link to itself where a stream is a terminal that knows links.

    The link is an OSC 8 sequence (https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda), which stays
    whole where the text is broken into rows. The machine's name belongs to a path, so that a terminal that shows
    another machine does not open a file of its own.

    Args:
        target: A path, which may be relative, or an address.
        stream: Where it will be printed.
    """
    vte = os.environ.get("VTE_VERSION", "")
    old = vte.isdigit() and int(vte) < _FIRST_VTE
    if not stream.isatty() or os.environ.get("TERM", "") in _UNFIT or old:
        return str(target)
    address = target
    if isinstance(target, Path):
        address = f"file://{socket.gethostname()}{quote(os.fsencode(target.absolute()))}"
    return f"\033]8;;{address}\033\\{target}\033]8;;\033\\"
