"""The code that talks to MLflow: its client, its URIs, its models, and its private formats."""
