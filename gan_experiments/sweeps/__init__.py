"""Many runs as one thing: the sweep's frame, its report, going on with it, and training it as one program."""
