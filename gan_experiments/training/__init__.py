"""The adversarial step and its repetition; imports neither Hydra nor MLflow."""
