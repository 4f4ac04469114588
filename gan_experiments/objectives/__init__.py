"""The losses that the players minimise.

The names below are stored in checkpoints and configurations. A new objective is named by its own module
(``gan_experiments.objectives.my_objective.MyObjective``) and needs no line here.
"""

from gan_experiments.objectives.hinge import Hinge
from gan_experiments.objectives.least_squares import LeastSquares
from gan_experiments.objectives.minimax import Minimax
from gan_experiments.objectives.non_saturating import NonSaturating
from gan_experiments.objectives.objective import Objective
from gan_experiments.objectives.relativistic import Relativistic
from gan_experiments.objectives.wasserstein import Wasserstein
from gan_experiments.objectives.wasserstein_gp import WassersteinGP

__all__ = [
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Objective",
    "Relativistic",
    "Wasserstein",
    "WassersteinGP",
]
