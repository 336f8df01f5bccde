"""What calls carry besides HTTP: marks on requests and responses, and when nobody waits for a call any more."""

from contextvars import ContextVar

EVENTS = "router.events"
"""The extension of a request whose answer is a stream of events."""

HEADERS = "router.headers"
"""The extension of a response in which its headers stand as a plain dict by lower-case name, for a transport that has
them so: httpx's own take longer to make than all the rest of a small answer."""

call_deadline: ContextVar[float | None] = ContextVar("call_deadline", default=None)
"""When, in the loop's time, nobody waits for a call any more. Whoever cuts calls off sets it, so that a transport
that cannot be cancelled still lets go of the connection."""
