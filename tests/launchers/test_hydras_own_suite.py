"""Hydra's own tests of a launcher, for ``fused``: on other programs' jobs it is a launcher like any other."""

from __future__ import annotations

import pytest
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from hydra.version import VersionBase
from packaging.version import Version

from gan_experiments.configuration.compose import CONFIG_DIR

# Hydra's test programs name no version of Hydra to be compatible with.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Future Hydra versions will no longer change working directory"),
]


@pytest.fixture(autouse=True)
def _as_in_a_new_process(hydra_restore_singletons: None) -> None:
    VersionBase.instance().setbase(Version("1.1"))  # what Hydra assumes for them


HERE = f"hydra.searchpath=[file://{CONFIG_DIR}]"


@pytest.mark.parametrize(("launcher_name", "overrides"), [("fused", [HERE])])
class TestLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("fused", [HERE, "hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2"])]
)
class TestWithASweeperThatAsksInBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({}, ["-m", "hydra/launcher=fused", HERE])],
)
class TestIntegration(IntegrationTestSuite):
    pass
