"""The launcher ``fused``: runs that differ only in values train as one program."""
