"""The endpoints, thin, and the reading of request bodies."""
