"""What scores were measured with is read back from the tags as it was stored."""

from __future__ import annotations

import pytest

from gan_experiments.evaluation.protocol import EvaluationProtocol, group_of
from gan_experiments.evaluation.score import Score
from gan_experiments.evaluation.scores import Scores

SCORES = Scores({"recall": Score(0.5, 0.1)}, {"recall": Score(0.9)}, 90, 100, "toy's test set (90)", "toy:12")


@pytest.mark.parametrize(("group", "tag"), [("eval", "evaluate"), (group_of(100), "evaluate/100")])
def test_the_stored_names(group: str, tag: str) -> None:
    assert SCORES.metrics(group) == {f"{group}/recall": 0.5, f"{group}/recall_error": 0.1}
    assert SCORES.tags(group) == {
        f"{tag}.samples": "100",
        f"{tag}.floor_samples": "90",
        f"{tag}.reference": "toy's test set (90)",
        f"{tag}.features": "toy:12",
        f"{tag}.floor.recall": "0.9",
    }


def test_it_is_read_back() -> None:
    tags = SCORES.tags("eval") | SCORES.tags("eval/100") | {"device": "cpu"}
    during, after = (EvaluationProtocol.of(f"{group}/recall", tags) for group in ("eval", "eval/100"))
    assert during == EvaluationProtocol("eval", "100", "toy's test set (90)", "toy:12")
    assert after == EvaluationProtocol("eval/100", "100", "toy's test set (90)", "toy:12")
    assert str(during) == "100 samples against toy's test set (90), features toy:12"
    assert during.floors(tags) == after.floors(tags) == {"recall": 0.9}


def test_a_run_that_says_nothing() -> None:
    assert EvaluationProtocol.of("eval/recall", {}) == EvaluationProtocol("eval", "", "", "")
