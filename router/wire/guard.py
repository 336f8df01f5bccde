"""Which addresses may be connected to when somebody else names them, and what opens only those.

A name is looked up once and the very address that was judged is connected to: no second answer of a name server, no
redirect and no spelling leads anywhere else. Where an address is denied, not even a connection is opened.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from providers.http import wire_level

Address = IPv4Address | IPv6Address

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, the best first. Raises OSError, as getaddrinfo does."""

# Written out, since what `ipaddress` calls global differs from one release of Python to the next.
_SHUT_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's translation
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # a public number that one cloud uses for the host beneath its machines
            "169.254.0.0/16",  # link-local, where clouds keep their secrets
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
# Everything public lies in here. Outside are loopback, unique-local, link-local, site-local, multicast, NAT64
# and IPv4-compatible addresses.
_PUBLIC_V6 = IPv6Network("2000::/3")
_SHUT_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo and benchmarks among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: any IPv4 address in disguise
            "3ffe::/16",  # an experiment, over
            "3fff::/20",  # documentation
        ),
    )
)

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# At least one dot, none at the end, and a last label that no reader takes for a number, as some do 127.1 and 0x7f.1.
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")


class Denied(Exception):  # noqa: N818 - a verdict, not a fault
    """A host that is not connected to: one of its addresses is not public, or it has none."""


def allowed(address: Address) -> bool:
    """Whether an address is somewhere on the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SHUT_V4)
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return allowed(address.ipv4_mapped)
    return address in _PUBLIC_V6 and not any(address in network for network in _SHUT_V6)


def anywhere(address: Address) -> bool:  # noqa: ARG001 - a judge like `allowed`
    """Every address: for a host that the configuration itself names."""
    return True


def plain(host: str) -> bool:
    """Whether a host, in lower case and without brackets, is written in the one way every reader understands alike."""
    try:
        return getattr(ip_address(host), "scope_id", None) is None
    except ValueError:
        return _NAME.fullmatch(host) is not None


async def lookup(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine knows for a host.

    Raises:
        OSError: it knows none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Connector(wire_level.AsyncNetworkBackend):
    """Opens connections for a pool, to judged addresses alone. TLS still asks for the name.

    Args:
        resolve: looks a name up; once for each connection.
        judge: whether an address may be connected to. One that may not rules the host out, whatever its others are.
        network: opens a connection to an address; this machine's network, unless given.
    """

    def __init__(
        self,
        resolve: Resolve = lookup,
        judge: Callable[[Address], bool] = allowed,
        network: wire_level.AsyncNetworkBackend | None = None,
    ) -> None:
        self._resolve = resolve
        self._judge = judge
        self._network = network or wire_level.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the pool's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> wire_level.AsyncNetworkStream:
        """A connection to the first of the host's addresses that takes one.

        Raises:
            Denied: the host must not be connected to.
            wire_level.ConnectError: none of its addresses could be reached.
            wire_level.ConnectTimeout: the same, and the last of them was silent.
        """
        addresses = await self._addresses(host, port)
        if not addresses or not all(map(self._judge, addresses)):
            raise Denied
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (wire_level.ConnectError, wire_level.ConnectTimeout):
                continue
        return await self._network.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)

    async def _addresses(self, host: str, port: int) -> Sequence[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            return [ip_address(text) for text in await self._resolve(host, port)]
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise wire_level.ConnectError("the name server gave no answer") from error
            # A name that does not exist looks like one that is denied: else names inside could be told from none.
            raise Denied from error
        except OSError as error:
            raise wire_level.ConnectError("the name could not be looked up") from error
        except ValueError as error:
            raise Denied from error
