"""Stages over frames: jobs of pictures, batches, failures isolated."""
