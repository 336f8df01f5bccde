"""The contract's words in and out: requests read into records, errors written into the envelope."""
