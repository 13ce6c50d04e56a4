"""The stages of a run: jobs of frames, and the runner that isolates failures."""
