"""Kinds of provider that only the tests know, found by their dotted names."""
