"""What trains needs neither the configuration's nor the tracking's packages."""

from tests.support.fresh_interpreter import loaded_by


def test_training_imports_neither_hydra_nor_mlflow():
    """Looks at what is loaded in a fresh interpreter; tests/test_architecture.py reads the source instead."""
    program = (
        "import gan_experiments.training.trainer\n"
        "from gan_experiments.configuration.fields import modules_in\n"
        "from gan_experiments.training.optimizers.optimizer import optimizer_class\n"
        "for name in modules_in('training/optimizers', 'optimizer'): optimizer_class(name)\n"
    )
    assert loaded_by(program, "hydra", "mlflow") == []
