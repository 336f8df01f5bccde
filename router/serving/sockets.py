"""The sockets that a router listens on: made once, by whichever process is first, and shared by its workers."""

import socket
from collections.abc import Sequence
from errno import EADDRNOTAVAIL, EAFNOSUPPORT


def bound(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of `host`, all on one port; port 0 takes a free one.

    Raises:
        OSError: the address is taken, or is none of this machine's.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            sockets.append(_bound(family, (address[0], port, *address[2:])))
        except OSError as error:
            if error.errno not in {EADDRNOTAVAIL, EAFNOSUPPORT}:  # one family may be switched off
                _close(sockets)
                raise
            missing = error
        else:
            port = sockets[-1].getsockname()[1]
    if not sockets:
        raise missing or OSError(f"{host} has no address")
    return sockets


def _bound(family: int, address: tuple[int | str, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def inherited(numbers: Sequence[int]) -> list[socket.socket]:
    """The sockets that the parent made."""
    return [socket.socket(fileno=number) for number in numbers]


def place(sockets: Sequence[socket.socket]) -> str:
    """Where they listen, as one would open it."""
    host, port = sockets[0].getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
