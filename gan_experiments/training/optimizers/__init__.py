"""The optimisers: one file each, whose name is the value of ``train.optimizer``."""
