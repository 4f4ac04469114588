"""What a person can ask for: the schema, its ranges, validation and help. Only instantiate.py imports torch."""
