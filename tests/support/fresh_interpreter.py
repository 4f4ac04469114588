"""A Python that has only just begun, in which nothing is loaded."""

import os
import subprocess
import sys


def printed_by(program: str, **variables: str) -> list[str]:
    """Run a program in a fresh interpreter, with these environment variables, and return the words that it prints."""
    command, env = [sys.executable, "-c", program], os.environ | variables
    answer = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300)
    return answer.stdout.split()


def loaded_by(program: str, *packages: str) -> list[str]:
    """Run a program in a fresh interpreter, and return those of the packages that it loads there."""
    return printed_by(f"{program}\nimport sys\nprint(*sorted({set(packages)} & set(sys.modules)))")
