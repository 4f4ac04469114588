"""What trains needs neither the configuration's nor the tracking's packages."""

import subprocess
import sys


def test_training_imports_neither_hydra_nor_mlflow():
    """Looks at what is loaded in a fresh interpreter; tests/test_architecture.py reads the source instead."""
    program = (
        "import sys, gan_experiments.training.trainer\n"
        "from gan_experiments.configuration.fields import modules_in\n"
        "from gan_experiments.training.optimizers.optimizer import optimizer_class\n"
        "for name in modules_in('training/optimizers', 'optimizer'): optimizer_class(name)\n"
        "print(sorted({'hydra', 'mlflow'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert answer.stdout.strip() == "[]"
