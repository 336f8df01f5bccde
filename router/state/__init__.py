"""What workers and replicas share: cooldowns, idempotency keys, accepted jobs, budgets. In memory, SQLite or Redis."""
