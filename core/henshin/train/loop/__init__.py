"""The training loop: launching, stopping and resuming a run."""
