"""Every page of the repository: its links lead somewhere, and the first page stays short."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.commands import Command

CHECKOUT = Path(__file__).parents[1]
SKIPPED = {".venv", "build", "dist", "node_modules", "outputs"}
PAGES = sorted(
    str(page.relative_to(CHECKOUT))
    for page in CHECKOUT.rglob("*.md")
    if not SKIPPED & set(page.relative_to(CHECKOUT).parts) and page.name != "scores.md"
)

ROOMS = sorted(file.parent.name for file in (CHECKOUT / "gan_experiments").glob("[a-z]*/__init__.py"))


@cache
def _text(page: Path) -> str:
    """A page without its blocks of code, in which nothing is a link or a heading."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@cache
def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_relative_links_lead_somewhere(name: str) -> None:
    page = CHECKOUT / name
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _text(page)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_first_page_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def test_the_architecture_names_what_exists() -> None:
    rooms = CHECKOUT / "gan_experiments"
    text = (rooms / "README.md").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`([\w/]+(?:\.py|/))`", text) if not re.search("NAME", name)}
    places = (rooms, CHECKOUT, rooms / "launchers", rooms / "sweeps", *rooms.iterdir())
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()
    assert len(named) > 30


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_page_that_the_architecture_links(room: str) -> None:
    assert (CHECKOUT / "gan_experiments" / room / "README.md").is_file()
    assert f"({room}/README.md)" in (CHECKOUT / "gan_experiments" / "README.md").read_text(encoding="utf-8")


def test_help_names_pages_that_exist(command: Command) -> None:
    named = set(re.findall(r"[\w/]+\.md", command("--help").out))
    assert len(named) > 5
    assert {name for name in named if not (CHECKOUT / name).is_file()} == set()
