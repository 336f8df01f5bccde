"""How much load retries may add at one account: a share of its requests, and a trickle for quiet times."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """Every request adds `share`, a retry costs 1; no more than `most` is saved up.

    One retry is possible each `trickle` seconds, whatever the requests.
    """

    share: float = 0.2
    most: float = 100.0
    trickle: float = 10.0


class RetryBudget:
    """The budget of one account; it begins full, so that a router just started retries like any other."""

    def __init__(self, rules: BudgetRules, now: float) -> None:
        self.rules = rules
        self.balance = rules.most
        self._spent_at = now

    def deposit(self) -> None:
        """A request came for this account."""
        self.balance = min(self.rules.most, self.balance + self.rules.share)

    def spend(self, now: float) -> bool:
        """Pay for one retry; False where there is nothing left to pay it with."""
        if self.balance >= 1:
            self.balance -= 1
        elif now - self._spent_at < self.rules.trickle:
            return False
        self._spent_at = now
        return True
