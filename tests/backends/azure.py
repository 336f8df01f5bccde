"""Azure OpenAI's images: OpenAI's wire under Azure's addresses, with Azure's rules and errors."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from backends.openai import LIVE, OpenAIBackend, Refusal, Rules, live_rules
from backends.server import Reply, Request, Status


class AzureBackend(OpenAIBackend):
    """`url` is the resource's address, `v1_url` that of its newer API; `models` says what each deployment runs."""

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._models = models or {"img-prod": "gpt-image-2", **{name: name for name in LIVE}}

    @property
    def url(self) -> str:
        """The resource."""
        return self.origin

    @property
    def v1_url(self) -> str:
        """The base URL under which the body names the model."""
        return f"{self.origin}/openai/v1"

    def error(self, failure: Status) -> bytes:
        """Azure's envelope."""
        names = ("code", "message", "type", "param")
        said = {name: getattr(failure, name) for name in names if getattr(failure, name) is not None}
        return msgspec.json.encode({"error": {"code": str(failure.status), **said}})

    def authorise(self, request: Request) -> None:
        """Refuses a missing key, the bad one, and two at once."""
        key, bearer = request.headers.get("api-key"), request.headers.get("authorization")
        if (key is None) == (bearer is None) or key in {"", "bad-key"} or bearer in {"Bearer ", "Bearer bad-key"}:
            raise Refusal(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.")

    def listing(self, request: Request) -> Reply:
        """There is none by deployment."""
        raise Refusal(404, "404", "Resource not found")

    def resolve(self, request: Request, fields: Mapping[str, Any]) -> tuple[str, str]:
        """The operation and the deployment, from the path or from the body."""
        found = re.fullmatch(r"/openai/(?:deployments/(.+)|v1)/images/(generations|edits)", request.path)
        if found is None or (found[1] and "api-version" not in request.query):
            raise Refusal(404, "404", "Resource not found")
        model = found[1] or fields.get("model")
        if model not in self._models:
            raise Refusal(404, "DeploymentNotFound", "The API deployment for this resource does not exist.")
        return found[2], str(model)

    def rules(self, model: str) -> Rules:
        """Azure's: fewer words than OpenAI's, no background on edits, and no early looks only by not naming them."""
        rules = live_rules(self._models[model])
        words = {name: legal for name, legal in rules.words.items() if name not in {"moderation", "safety_identifier"}}
        words["output_format"] = frozenset({"png", "jpeg"})
        words["quality"] = frozenset({"auto", "low", "medium", "high"})
        nowhere = {"background": frozenset[str]()}
        inputs = frozenset({"image/png", "image/jpeg"})
        return replace(rules, words=words, edit_words={**rules.edit_words, **nowhere}, inputs=inputs, fewest_looks=1)
