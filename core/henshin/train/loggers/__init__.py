"""What a training run logs: metrics, curves, TensorBoard, image grids."""
