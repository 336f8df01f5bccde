"""The commands of `image-router`, one to a file; `router/cli.py` puts them together."""
