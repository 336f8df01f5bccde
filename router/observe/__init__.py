"""Readers of what happened: metrics and logs."""
