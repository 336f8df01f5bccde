"""Gunicorn as the server: `IMAGE_ROUTER_CONFIG=router.yaml gunicorn -c deploy/gunicorn.conf.py`. docs/production.md."""

# ruff: noqa: INP001 - a file that a program reads, in no package

wsgi_app = "router.serving.asgi:create()"
worker_class = "asgi"
bind = "127.0.0.1:8080"
workers = 2

# Requests take minutes: longer than `defaults.timeout`. A worker shows its pulse meanwhile, so `timeout` stays short.
timeout = 60
# The router answers what is late after `server.drain` (60 s by default); the server must not cut it off before.
graceful_timeout = 75
# A client that leaves does not undo what is being paid for: the router decides what becomes of its work.
asgi_disconnect_grace_period = 660

keepalive = 75
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# Each worker reads the configuration itself: one that cannot start must not take the others down with it.
preload_app = False
