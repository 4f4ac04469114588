"""Table, CSV and picture from made-up measurements."""

import csv

from gan_experiments.benchmark.picture import draw
from gan_experiments.benchmark.report import Row, table, write_csv
from gan_experiments.benchmark.timing import Spread

ROWS = [
    Row("step", "the article's loop", "us", Spread(8000.0, 7900.0, 8400.0), against={"article": 1.0, "floor": 8.0}),
    Row("step", "this project, eager", "us", Spread(2000.0, 1900.0, 2100.0), against={"article": 4.0, "floor": 2.0}),
    Row("step", "this project, graph", "us", None, note="not measured: needs CUDA"),
    Row("sweep", "fused", "us", Spread(50.0, 40.0, 60.0), 64, {"one run": 6.25, "floor": 2.5}),
    Row("sweep", "processes", "us", None, 64, note="not measured: 32 were too many"),
    Row("exchanges", "never leave", "us", Spread(50.0, 40.0, 60.0), 8),
    Row("exchanges", "exchanged", "us", Spread(51.0, 41.0, 61.0), 8, {"staying": 1.02}),
    Row("tracking", "tracking=local", "s", Spread(10.3, 10.1, 10.9), against={"off": 1.03}),
    Row("startup", "--help", "s", Spread(0.5, 0.4, 0.6)),
]


def test_the_table_is_aligned_and_says_why_something_is_missing():
    lines = table(ROWS).splitlines()
    assert lines[:4] == [
        "one run              us a step      min - max  x article  x floor",
        "the article's loop       8,000  7,900 - 8,400          1        8",
        "this project, eager      2,000  1,900 - 2,100          4        2",
        "this project, graph          -                                     not measured: needs CUDA",
    ]
    assert lines[5:8] == [
        "members  how        member-steps/s  us a member-step  min - max  x one run  x floor",
        "     64  fused              20,000                50    40 - 60       6.25      2.5",
        "         processes                                 -                                 "
        "not measured: 32 were too many",
    ]
    assert lines[9:12] == [
        "slots  runs         member-steps/s  us a member-step  min - max  x staying",
        "    8  never leave          20,000                50    40 - 60",
        "    8  exchanged            19,608                51    41 - 61       1.02",
    ]
    assert lines[-2:] == ["startup    s  min - max", "--help   0.5  0.4 - 0.6"]
    assert "tracking=local  10.3  10.1 - 10.9   1.03" in table(ROWS)


def test_the_csv_has_a_line_a_row(tmp_path):
    write_csv(tmp_path / "b.csv", ROWS)
    with (tmp_path / "b.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(ROWS)
    assert lines[3] == {
        "part": "sweep",
        "name": "fused",
        "members": "64",
        "unit": "us",
        "median": "50",
        "min": "40",
        "max": "60",
        "member_steps_per_second": "20000",
        "against_article": "",
        "against_one_run": "6.25",
        "against_floor": "2.5",
        "against_off": "",
        "against_staying": "",
        "note": "",
    }
    assert (lines[4]["median"], lines[4]["note"]) == ("", "not measured: 32 were too many")
    assert (lines[6]["member_steps_per_second"], lines[6]["against_staying"]) == ("19607.8", "1.02")
    assert (lines[7]["member_steps_per_second"], lines[7]["against_off"]) == ("", "1.03")


def test_the_picture_has_a_panel_for_what_was_measured():
    both, steps = draw(ROWS, "made up"), draw(ROWS[:2], "made up")
    assert [len(figure.axes) for figure in (both, steps)] == [2, 1]
    bars, sweep = both.axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["the article's loop", "this project, eager"]
    assert [bar.get_width() for bar in bars.patches] == [8000.0, 2000.0]
    floor = next(line for line in sweep.lines if line.get_label() == "counted floor")
    assert list(floor.get_ydata()) == [50_000.0]
