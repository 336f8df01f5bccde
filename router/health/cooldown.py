"""One target's or account's cooldown: left out until a time, longer each time where nobody said how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownRules:
    """How long a cooldown lasts, in seconds.

    `first` and `longest` where a backend limits without saying until when; `faulty` for accounts that are refused or
    unpaid and models that are gone; `most` bounds what a backend asks for.
    """

    first: float = 5.0
    longest: float = 60.0
    faulty: float = 300.0
    most: float = 300.0


@dataclass(slots=True)
class Cooldown:
    """Until when a name is left out, and why."""

    until: float = 0.0
    reason: str = ""
    _times: int = 0

    def limited(self, rules: CooldownRules, now: float, retry_after: float | None, reason: str) -> None:
        """The backend asked for less: wait as long as it says, else twice as long as the last time."""
        if retry_after is None:
            retry_after = min(rules.longest, rules.first * 2**self._times)
            self._times += 1
        self._extend(now + min(rules.most, retry_after), reason)

    def faulty(self, rules: CooldownRules, now: float, reason: str) -> None:
        """Something is wrong that time alone may not mend."""
        self._extend(now + rules.faulty, reason)

    def over(self) -> None:
        """A call went well: the next cooldown is a short one again."""
        self._times = 0

    def _extend(self, until: float, reason: str) -> None:
        if until > self.until:
            self.until, self.reason = until, reason
