"""What the router would do with a request, and what it would cost: asked without sending anything."""
