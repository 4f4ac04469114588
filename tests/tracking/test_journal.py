from __future__ import annotations

import json
from pathlib import Path

from gan_experiments.tracking.journal import Journal, last_session, read


def _journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def _contents(tmp_path: Path) -> list[tuple[str, int]]:
    return [(line["kind"], line["step"]) for line, _ in read(tmp_path / "journal.jsonl")]


def test_a_line_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.append("metrics", key="epoch", step=3, epoch=1.0, values={"loss": 0.5})
    (line,) = (tmp_path / "journal.jsonl").read_text().splitlines()
    content = json.loads(line)
    time = content.pop("time")
    assert content == {"kind": "metrics", "key": "epoch", "step": 3, "epoch": 1.0, "values": {"loss": 0.5}}
    assert time > 1_600_000_000_000  # milliseconds
    journal.close()


def test_what_a_resumed_run_repeats_is_not_recorded_again(tmp_path: Path) -> None:
    first = _journal(tmp_path)
    for step in (1, 2, 3):
        first.append("metrics", step=step, epoch=0)
    first.close()
    second = _journal(tmp_path)
    second.append("metrics", step=2, epoch=0)
    second.append("metrics", step=3, epoch=0)
    second.append("metrics", step=4, epoch=0)
    second.append("samples", step=3, epoch=0)
    second.append("metrics", key="other", step=3, epoch=0)
    second.close()
    assert _contents(tmp_path) == [
        ("metrics", 1),
        ("metrics", 2),
        ("metrics", 3),
        ("metrics", 4),
        ("samples", 3),
        ("metrics", 3),
    ]


def test_a_line_that_a_crash_tore_off_is_written_again_whole(tmp_path: Path) -> None:
    first = _journal(tmp_path)
    first.append("metrics", step=1, epoch=0)
    first.append("metrics", step=2, epoch=0, values={"loss": 0.25})
    first.close()
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    for cut in range(1, 40, 7):
        path.write_bytes(whole[:-cut])
        assert _contents(tmp_path) == [("metrics", 1)]
        journal = _journal(tmp_path)
        journal.append("metrics", step=2, epoch=0, values={"loss": 0.25})
        journal.close()
        assert _contents(tmp_path) == [("metrics", 1), ("metrics", 2)]


def test_reading_goes_on_from_where_it_stopped(tmp_path: Path) -> None:
    journal = _journal(tmp_path)
    journal.append("a", step=1, epoch=0)
    ((_, end),) = read(tmp_path / "journal.jsonl")
    journal.append("b", step=2, epoch=0)
    journal.close()
    assert [line["kind"] for line, _ in read(tmp_path / "journal.jsonl", end)] == ["b"]


def test_numbers_keep_every_bit(tmp_path: Path) -> None:
    values = {"third": 1 / 3, "infinite": float("inf"), "tiny": 5e-324}
    journal = _journal(tmp_path)
    journal.append("metrics", step=1, epoch=0, values=values)
    journal.close()
    ((line, _),) = read(tmp_path / "journal.jsonl")
    assert line["values"] == values


def test_it_is_known_how_the_last_session_ended(tmp_path: Path) -> None:
    journal, path = _journal(tmp_path), tmp_path / "journal.jsonl"
    journal.append("session", key="a", step=0, epoch=0)
    assert last_session(path) == ("a", False)
    journal.append("status", key="a", step=9, epoch=0)
    assert last_session(path) == ("a", True)
    journal.append("session", key="b", step=9, epoch=0)
    assert last_session(path) == ("b", False)
    journal.close()
