"""Work that a backend has taken: what any worker needs to follow it to its end, and who keeps that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from providers.base import Answer, OutcomeClass
from router.engine.ledger import Ledger, Row

_LARGEST = 64 * 1024  # bytes of answers worth keeping: task ids are short


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Work taken: by which target, for which of the pictures asked, and what the backend said up to then."""

    target: str
    model: str
    places: tuple[int, ...]
    answers: tuple[Answer, ...]


class Keeper(Protocol):
    """Keeps the accepted work of one request, and knows what an earlier worker left of it."""

    @property
    def left(self) -> Sequence[Accepted]:
        """Work that was accepted for this request before, by a worker that did not finish it."""

    async def sent(self, row: str) -> None:
        """A submit is about to go out, under this row of the ledger.

        Raises:
            ProviderError: it may not; nothing was sent.
        """

    async def accepted(self, row: str, work: Accepted) -> None:
        """What was sent under this row was taken: keep it until the request ends."""

    async def ended(self, row: str, outcome: OutcomeClass) -> None:
        """What was sent under this row failed."""


@dataclass(slots=True)
class Journal:
    """The journal of one attempt's conversation. `answered` is what an earlier worker was told, if it follows one."""

    target: str
    model: str
    places: tuple[int, ...]
    ledger: Ledger
    keeper: Keeper | None
    row: Row | None = None
    answered: tuple[Answer, ...] = field(default=())

    async def accepted(self, answers: Sequence[Answer], where: str) -> None:
        """The backend took the work: note where, and keep what it said."""
        if self.row is not None:
            await self.ledger.accepted(self.row, where)
            if self.keeper is not None and sum(len(answer.body) for answer in answers) <= _LARGEST:
                work = Accepted(target=self.target, model=self.model, places=self.places, answers=tuple(answers))
                await self.keeper.accepted(self.row.id, work)
