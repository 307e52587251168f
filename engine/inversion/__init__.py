"""Inversion: pictures and measurements into the latent space."""
