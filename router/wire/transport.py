"""Builds what carries HTTP to a provider. Pluggable: everything above it sees one interface and no library.

A transport never follows a redirect, never inflates a body, keeps no cookie, reads no proxy from the environment
and repeats nothing. It raises ConnectError, ConnectTimeout or PoolTimeout only where no byte of the request left us.
A request with the mark EVENTS brings its answer piece by piece as it arrives, and is gone the moment it is cancelled.
"""

import ssl
import warnings
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from providers.http import (
    AsyncBaseTransport,
    AsyncHTTPTransport,
    Limits,
    Request,
    Response,
    Timeout,
)

_POOL_WAIT = 2.0
# Shorter than the idle timeouts of providers, so that a request seldom meets a connection being closed.
_IDLE = 4.0
_WRITE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """What a transport is built from. Times in seconds.

    `patience` ends a call whose deadline nobody set. `ca_file` holds PEM roots that are trusted beside the system's.
    """

    transport: Literal["pyreqwest", "httpx"] = "pyreqwest"
    connect_timeout: float = 5.0
    patience: float = 600.0
    pool_size: int = 256
    ca_file: Path | None = None


def build_transport(settings: TransportSettings) -> AsyncBaseTransport:
    """The transport that was asked for; the plain one, with a warning, where the fast one cannot be loaded.

    Raises:
        OSError: the file of root certificates cannot be read.
        ValueError: it holds no certificate, or this machine trusts none at all.
    """
    roots = _roots(settings.ca_file)
    if settings.transport == "pyreqwest":
        try:
            return _fast(settings, roots)
        except ImportError:
            warnings.warn(
                "transport: pyreqwest cannot be imported, so the slower httpx carries the calls; "
                "install pyreqwest, or set transport: httpx to agree",
                RuntimeWarning,
                stacklevel=2,
            )
    return _PlainTransport(settings, roots)


def _roots(file: Path | None) -> str | None:
    if file is None:
        return None
    text = file.read_text(encoding="ascii", errors="ignore")  # bundles have names in their comments
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"ca_file: {file} holds no certificate; give a file of PEM certificates") from error
    return text


def _fast(settings: TransportSettings, roots: str | None) -> AsyncBaseTransport:
    from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - where it is missing, the plain transport serves

    from router.wire.fast_transport import FastTransport, client_builder  # noqa: PLC0415 - the same

    builder = (
        client_builder()
        .connect_timeout(timedelta(seconds=settings.connect_timeout))
        .pool_timeout(timedelta(seconds=_POOL_WAIT))
        .pool_idle_timeout(timedelta(seconds=_IDLE))
        .max_connections(settings.pool_size)
    )
    if roots is not None:
        builder = builder.add_root_certificate_pem(roots.encode())
    try:
        client = builder.build()
    except PyreqwestError as error:
        raise ValueError(
            "transport: pyreqwest cannot start, most often because this machine has no root certificates; "
            "install ca-certificates, or give a file of them as ca_file"
        ) from error
    return FastTransport(client, settings.patience, partial(_PlainTransport, settings, roots))


class _PlainTransport(AsyncHTTPTransport):
    """httpx as it is, with its patience per phase, which it reads from each request."""

    def __init__(self, settings: TransportSettings, roots: str | None) -> None:
        context = ssl.create_default_context()
        if roots is not None:
            context.load_verify_locations(cadata=roots)
        size = settings.pool_size
        limits = Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=_IDLE)
        super().__init__(verify=context, limits=limits, http1=True, http2=False, retries=0, trust_env=False)
        self._timeout = Timeout(None, connect=settings.connect_timeout, pool=_POOL_WAIT, write=_WRITE).as_dict()

    async def handle_async_request(self, request: Request) -> Response:
        request.extensions["timeout"] = self._timeout
        return await super().handle_async_request(request)
