"""Terms on D's derivative or outputs, on top of an objective's loss of D.

The names below are stored in checkpoints and configurations. A new penalty is named by its own module
(``gan_experiments.penalties.my_penalty.MyPenalty``) and needs no line here.
"""

from gan_experiments.penalties.dragan import Dragan
from gan_experiments.penalties.gradient import Gradient
from gan_experiments.penalties.lecam import LeCam
from gan_experiments.penalties.no_penalty import none
from gan_experiments.penalties.penalty import OnLogits, Penalty
from gan_experiments.penalties.r1 import R1
from gan_experiments.penalties.r1_r2 import R1R2
from gan_experiments.penalties.r2 import R2

__all__ = ["R1", "R1R2", "R2", "Dragan", "Gradient", "LeCam", "OnLogits", "Penalty", "none"]
