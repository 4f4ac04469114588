"""Everything that a user can ask for: schemas, ranges, validation and help. Nothing here imports torch."""
