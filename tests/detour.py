"""Stand-ins for the internet: a resolver that answers by script, and a network where public addresses lead home."""

from providers.http import wire_level


class Names:
    """A resolver: each host's answers in turn, the last from then on. `asked` are the hosts looked up."""

    def __init__(self, answers):
        self.asked = []
        self._answers = answers

    async def __call__(self, host, port):
        """The next answer; OSError for a host without any."""
        if host not in self._answers:
            raise OSError(f"nobody told of {host}")
        turn = self.asked.count(host)
        self.asked.append(host)
        return self._answers[host][min(turn, len(self._answers[host]) - 1)]


def names(**answers):
    """A resolver with these lists of answers by host."""
    return Names(answers)


class Detour(wire_level.AsyncNetworkBackend):
    """A network where each address given leads to a port of this machine, and no other leads anywhere.

    `asked` is every address and port that a connection was opened to, or would have been.
    """

    def __init__(self, **ports):
        self.asked = []
        self._ports = ports
        self._network = wire_level.AnyIOBackend()

    async def connect_tcp(self, host, port, *rest):
        """A connection to the port that stands for the address."""
        self.asked.append((host, port))
        if host not in self._ports:
            raise wire_level.ConnectError("nobody there")
        return await self._network.connect_tcp("127.0.0.1", self._ports[host], *rest)
