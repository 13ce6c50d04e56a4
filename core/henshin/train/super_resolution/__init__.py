"""Super-resolution: patches to train on, and validation."""
