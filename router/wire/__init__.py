"""The wire to a provider: transports, bodies, one call, one conversation."""
