"""Image Router: one endpoint in front of every image backend."""

__version__ = "0.1.0"
