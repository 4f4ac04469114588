"""What augments all that D sees, one file each."""
