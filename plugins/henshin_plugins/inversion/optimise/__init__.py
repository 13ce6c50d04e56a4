"""Optimisation of latents; the part of inversion that needs torch."""
