"""Devices of a training: precision, several processes, compilation."""
