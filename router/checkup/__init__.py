"""Looks a configuration over: what would surprise whoever runs it, and how one differs from another. Pure."""
