"""Measurements that any user can repeat: how fast the router is, and that it stays honest for long."""
