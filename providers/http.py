"""The one place that names the HTTP library, so that a successor is a one-line move.

`wire_level` is its lower half: connections, and what opens them.
"""

import httpcore as wire_level
from httpx import (
    URL,
    AsyncBaseTransport,
    AsyncByteStream,
    AsyncHTTPTransport,
    Auth,
    ConnectError,
    ConnectTimeout,
    Headers,
    HTTPError,
    InvalidURL,
    Limits,
    PoolTimeout,
    ReadError,
    Request,
    RequestNotRead,
    Response,
    Timeout,
    TimeoutException,
)

__all__ = [
    "URL",
    "AsyncBaseTransport",
    "AsyncByteStream",
    "AsyncHTTPTransport",
    "Auth",
    "ConnectError",
    "ConnectTimeout",
    "HTTPError",
    "Headers",
    "InvalidURL",
    "Limits",
    "PoolTimeout",
    "ReadError",
    "Request",
    "RequestNotRead",
    "Response",
    "Timeout",
    "TimeoutException",
    "wire_level",
]
