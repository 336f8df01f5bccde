"""How keys travel. An adapter names a scheme; only the router ever holds the key."""

from collections.abc import Callable, Generator

from providers.http import Auth, Request, Response


class HeaderAuth(Auth):
    """A key in one header."""

    def __init__(self, name: str, value: str) -> None:
        self._name = name
        self._value = value

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Set the header and send once."""
        request.headers[self._name] = self._value
        yield request


def header(name: str) -> Callable[[str], Auth]:
    """The key as it is, in the header `name`."""
    return lambda key: HeaderAuth(name, key)


def bearer() -> Callable[[str], Auth]:
    """`Authorization: Bearer <key>`."""
    return lambda key: HeaderAuth("authorization", f"Bearer {key}")
