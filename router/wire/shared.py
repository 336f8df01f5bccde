"""Wires that several configs use: those that agree on a provider share its connections; the last to go closes them."""

from collections.abc import Callable, Hashable

from router.wire.send import Wire


class SharedWires:
    """The wires in use, by what they were made of."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[Wire, int]] = {}

    def take(self, made_of: Hashable, make: Callable[[], Wire]) -> Wire:
        """The wire made of this; a new one where there is none. Each taking is given back once."""
        wire, users = self._held.get(made_of) or (make(), 0)
        self._held[made_of] = (wire, users + 1)
        return wire

    async def give_back(self, made_of: Hashable) -> None:
        """Let go of a wire."""
        wire, users = self._held[made_of]
        if users > 1:
            self._held[made_of] = (wire, users - 1)
        else:
            del self._held[made_of]
            await wire.aclose()

    def __len__(self) -> int:
        return len(self._held)
