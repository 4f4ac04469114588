"""What is written in MLflow's formats without MLflow; test_mlflow.py compares it with MLflow's own."""

from __future__ import annotations

from gan_experiments.tracking.mlflow.private_formats import stepped_names


def test_a_stepped_image_has_mlflows_name_and_always_the_same() -> None:
    full, small = stepped_names("samples", 35, 1700000000000, "abc")
    assert full.startswith("images/samples+step+35+timestamp+1700000000000+")
    assert full.endswith(".png")
    assert small == full.removesuffix(".png") + "+compressed.webp"
    assert stepped_names("samples", 35, 1700000000000, "abc") == (full, small)
    assert stepped_names("samples", 36, 1700000000000, "abc")[0] != full
    assert "~" in stepped_names("a/b", 0, 0, "abc")[0]
