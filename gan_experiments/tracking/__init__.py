"""What happened: the run's folder first, then the progress bar, then MLflow. Never changes a result."""
