"""A Python that has only just begun, in which nothing is loaded."""

import subprocess
import sys


def printed_by(program: str) -> list[str]:
    """Run a program in a fresh interpreter, and return the words that it prints."""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    return answer.stdout.split()


def loaded_by(program: str, *packages: str) -> list[str]:
    """Run a program in a fresh interpreter, and return those of the packages that it loads there."""
    return printed_by(f"{program}\nimport sys\nprint(*sorted({set(packages)} & set(sys.modules)))")
