"""The demonstration: four backends that act out a play of slow and bad moments, and callers that never tire."""
