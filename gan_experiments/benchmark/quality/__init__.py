"""How many seconds of training it takes until the digits are good: ``--only quality``."""
