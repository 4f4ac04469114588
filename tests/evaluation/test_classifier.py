"""The classifier that is shipped, and those of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_experiments.data import idx
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.evaluation import classifier, train_classifier
from gan_experiments.evaluation.classifier_training import measure

SHIPPED = Path(classifier.__file__).with_name("mnist.safetensors")
CLOTHES = SHIPPED.with_name("fashion_mnist.safetensors")


def test_the_shipped_one_reads_mnist(mnist: Dataset) -> None:
    shipped = classifier.load(SHIPPED)
    assert mnist.test is not None
    accuracy = measure(shipped, mnist.test())
    assert accuracy >= 0.99
    assert accuracy == pytest.approx(shipped.spec.accuracy, abs=5e-4)


def test_the_shipped_one_reads_the_bundled_digits(bundled: Dataset) -> None:
    assert measure(classifier.load(SHIPPED), bundled) > 0.9


def test_a_shipped_file_names_the_data_sets_that_it_serves() -> None:
    assert {classifier.shipped_for(name) for name in ("mnist", "digits", "stacked_mnist")} == {SHIPPED}
    assert classifier.shipped_for("fashion_mnist") == CLOTHES
    assert classifier.shipped_for("kmnist") is None


def test_it_is_the_same_on_every_machine(bundled: Dataset) -> None:
    """Scores measured with one version are comparable: no change goes unnoticed."""
    shipped = classifier.load(SHIPPED)
    assert shipped.version == "mnist:4a5769064f57"
    features, probabilities = shipped(bundled.samples[:200])
    assert features.shape == (200, 64)
    assert probabilities.sum(1).numpy() == pytest.approx(1, abs=1e-5)
    assert features.mean().item() == pytest.approx(1.0650229454040527, rel=1e-4)


def test_the_one_of_clothes_is_the_same_on_every_machine() -> None:
    shipped = classifier.load(CLOTHES)
    assert shipped.version == "fashion_mnist:35415e91d70f"
    images = torch.arange(20 * 784).mul(7).remainder(256).to(torch.uint8).view(20, 1, 28, 28)
    assert shipped(images)[0].mean().item() == pytest.approx(0.7306364178657532, rel=1e-4)


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_the_one_of_clothes_tells_them_apart(tmp_path: Path) -> None:
    data = idx.load("fashion_mnist", root=str(tmp_path), image_size=28, download=False)
    assert data.test is not None
    shipped = classifier.load(CLOTHES)
    assert measure(shipped, data.test()) == pytest.approx(shipped.spec.accuracy, abs=5e-4)


def test_another_weight_is_another_version(tmp_path: Path) -> None:
    shipped = classifier.load(SHIPPED)
    network = classifier.Network(shipped.spec)
    network.load_state_dict(shipped._network.state_dict())
    with torch.no_grad():
        network.output.bias[3] += 0.5
    other = classifier.Classifier(shipped.spec, network)
    assert other.version != shipped.version
    other.save(tmp_path / "other.safetensors")
    assert classifier.load(tmp_path / "other.safetensors").version == other.version


def test_several_channels_are_judged_apart(bundled: Dataset) -> None:
    shipped, (a, b) = classifier.load(SHIPPED), (bundled.samples[:50], bundled.samples[50:100])
    features, probabilities = shipped(torch.cat((a, b), 1))
    assert torch.equal(features[:, :64], shipped(a)[0])
    tens, ones = (shipped(part)[1].argmax(1) for part in (a, b))
    assert torch.equal(probabilities.argmax(1), 10 * tens + ones)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        classifier.load(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(UserError, match="no safetensors file"):
        classifier.load(tmp_path / "text")


def test_the_command_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "own.safetensors"
    train_classifier.main(["data=digits", "--epochs", "2", "--out", str(out)])
    made = classifier.load(out)
    assert made.spec.accuracy > 0.5  # after two passes over 1,797 images
    assert f"{made.version}, {made.spec.accuracy:.2%} of the training set" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["data=ring"], ["data=nothing"], ["data=digits", "--epochs", "0"]])
def test_the_command_refuses_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        train_classifier.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
