"""Builds the image: what its build stage starts, and nothing of the programs."""
