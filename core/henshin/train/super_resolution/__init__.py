"""Training data and validation of super-resolution."""
