"""What backends of a JSON or form API have in common: a bearer's key, a ledger, and refusals that cost nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backends.ledger import Record
from backends.openai import Part, Refusal, body_of
from backends.server import Reply, Request, Server


class CheckedBackend(Server):
    """Any key will do but `bad-key`. A subclass says in `make` what is done, in `look` what may be asked freely."""

    def answer(self, request: Request) -> Reply:
        """The work or its refusal, written down; what is asked freely is not."""
        record = Record(path=request.path, model=None, n=1, fields={}, headers=request.headers, status=200, billed=True)
        try:
            self.authorise(request)
            if request.method == "GET":
                return self.look(request)
            fields, parts = body_of(request)
            files = tuple((part.name, part.media_type or "", len(part.data)) for part in parts)
            record = replace(record, fields=fields, files=files)
            reply = self.make(request, fields, parts)
        except Refusal as refusal:
            failure = refusal.failure
            refused = replace(record, status=failure.status, billed=False) if request.method == "POST" else None
            return Reply(failure.status, self.error(failure), record=refused)
        return replace(reply, record=record)

    def authorise(self, request: Request) -> None:
        """Refuses a missing key and the bad one."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or key in {"", "bad-key"}:
            raise Refusal(401, "10000", "the key is missing or wrong")

    def make(self, request: Request, fields: Mapping[str, Any], parts: list[Part]) -> Reply:
        """The answer to sound work; refuses all other."""
        raise NotImplementedError

    def look(self, request: Request) -> Reply:
        """The answer to a GET."""
        raise Refusal(404, None, f"nothing is at {request.path}")


def only(fields: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]) -> None:
    """Refuses fields that are unknown or of the wrong type."""
    for name, value in fields.items():
        if name not in kinds:
            raise Refusal(400, None, f"{name}: unknown", name)
        if not isinstance(value, kinds[name]) or isinstance(value, bool) is not (kinds[name] is bool):
            raise Refusal(400, None, f"{name}: of the wrong type", name)


def within(fields: Mapping[str, Any], name: str, low: float, high: float, step: int = 1) -> None:
    """Refuses a number out of bounds, or off its steps."""
    value = fields.get(name, low)
    if not low <= value <= high or value % step:
        raise Refusal(400, None, f"{name}: must be {low} to {high} in steps of {step}", name)
