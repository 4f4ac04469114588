"""The adversarial step and all that repeats it. Knows neither Hydra nor MLflow."""
