"""Pictures as the router handles them: recognised by their first bytes, decoded only where their form must change."""
