"""Devices of a training run: precision, data parallelism, compilation."""
