"""What was answered before is answered again: under an Idempotency-Key, or from the cache."""
