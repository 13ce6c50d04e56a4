"""Reading and checking of a training run's YAML."""
