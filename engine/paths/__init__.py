"""Paths: a walk through latent space as a pure function of time, and the small file that describes it."""
