"""All that speaks to MLflow."""
