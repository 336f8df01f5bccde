"""The commands of `image-router`; `router/cli.py` says which is in which file."""
