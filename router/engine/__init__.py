"""Serving one request over a chain of targets. Knows no HTTP server, no metrics and no log."""
