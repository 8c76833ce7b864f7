"""Breach response for a cloud provider: the version and nothing else."""

__version__ = "0.1.0"
