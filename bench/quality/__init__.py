"""Rulers for drawn portraits: how far they are from drawings, and what of the photo they keep. See ../README.md."""
