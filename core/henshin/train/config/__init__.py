"""The YAML of a training run: reading and checking it."""
