"""Logging of a training run: metrics, curves, TensorBoard, image grids."""
