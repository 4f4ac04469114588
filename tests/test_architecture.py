"""The rooms of the package: imports run downward only, between rooms and between files."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gan_experiments

PACKAGE = Path(gan_experiments.__file__).parent
NAME = PACKAGE.name

FLOORS = (
    ("run", "stop", "evaluate", "compare", "sample", "export", "sync", "verify"),
    ("_plugins",),
    ("callbacks",),
    ("benchmark",),
    ("launchers",),
    ("sweeps",),
    ("reports",),
    ("runs",),
    ("tracking",),
    ("evaluation",),
    ("training",),
    ("objectives",),
    ("penalties",),
    ("models",),
    ("data",),
    ("configuration",),
    ("errors",),
)
"""The rooms from the top floor down. A room imports from lower floors alone; a top-level module is a room too."""
COMMANDS = {*FLOORS[0], "benchmark"}


def _modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {
        ".".join((NAME, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    del found[NAME]  # a door: its imports happen when somebody asks for a name
    return found


MODULES = _modules()


def _imports(path: Path) -> set[str]:
    """All modules that a file imports, anywhere in it: those of the package by their full names, others by theirs."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            # `from package import module` imports the module, `from module import name` the module that has it.
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return found


GRAPH = {name: {target for target in _imports(path) if target in MODULES} for name, path in MODULES.items()}
"""Which module imports which, within the package."""


def _room(module: str) -> str:
    """The module or folder at the top level that a module lies in."""
    return module.split(".")[1] if "." in module else NAME


def _folder(module: str) -> str:
    """The folder, as a dotted name, that a module lies in."""
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def _arrows() -> dict[tuple[str, str], list[str]]:
    """Every arrow between two rooms, with the imports that make it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for module, targets in GRAPH.items():
        for target in targets:
            ends = _room(module), _room(target)
            if ends[0] != ends[1] and NAME not in ends:
                arrows.setdefault(ends, []).append(f"{module} imports {target}")
    return arrows


def test_every_room_has_a_floor() -> None:
    assert sorted(room for floor in FLOORS for room in floor) == sorted({_room(name) for name in MODULES} - {NAME})


def test_arrows_between_rooms_run_downward() -> None:
    level = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    upward = [line for (a, b), lines in _arrows().items() if level[a] >= level[b] for line in lines]
    assert not upward


def test_rooms_and_arrows_stay_few() -> None:
    rooms = {_room(name) for name in MODULES} - {NAME}
    assert len(rooms) <= 24
    assert len(_arrows()) <= 104


def test_no_two_modules_import_each_other() -> None:
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_no_two_folders_import_each_other() -> None:
    folders: dict[str, set[str]] = {}
    for module, targets in GRAPH.items():
        for place, other in ((_folder(module), _folder(target)) for target in targets):
            # A folder and one inside it are one place: tracking/mlflow reads the journal, tracking/worker starts it.
            if not f"{place}.".startswith(f"{other}.") and not f"{other}.".startswith(f"{place}."):
                folders.setdefault(place, set()).add(other)
    try:
        TopologicalSorter(folders).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of folders: {' -> '.join(error.args[1])}")


def _reached(start: str) -> set[str]:
    """Everything that the modules of a room import, directly or through others, packages outside included."""
    waiting, reached = [name for name in MODULES if _room(name) == start], set[str]()
    while waiting:
        module = waiting.pop()
        for target in _imports(MODULES[module]):
            if target in MODULES and target not in reached:
                waiting.append(target)
            reached.add(target)
    return reached


@pytest.mark.parametrize("room", ["training", "models", "objectives", "penalties"])
def test_what_trains_knows_neither_hydra_nor_mlflow(room: str) -> None:
    assert not {target for target in _reached(room) if target.partition(".")[0] in ("hydra", "mlflow")}


def test_nothing_imports_a_command() -> None:
    assert not [line for (_, target), lines in _arrows().items() if target in COMMANDS for line in lines]


@pytest.mark.parametrize("room", ["models", "data", "objectives", "penalties"])
def test_the_ground_knows_nothing_of_training(room: str) -> None:
    above = {floor for rooms in FLOORS[: FLOORS.index(("training",)) + 1] for floor in rooms}
    assert not {_room(target) for target in _reached(room) if target in MODULES} & above


def test_modules_are_named_after_what_they_hold() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
    assert not [name for name in MODULES if name.rpartition(".")[2] in vague]
