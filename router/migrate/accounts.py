"""LiteLLM's `litellm_params` to our providers: one for each account, whatever number of models it serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import providers
from router.config.mistakes import Place
from router.migrate.draft import Draft

VERTEX = "https://aiplatform.googleapis.com/v1"
_NO_KEYS = {"none", "dummy", "fake", "fake-key", "anything", "not-needed", "empty", "na", "sk-fake"}
"""What stands in place of a key where the server asks for none."""

_OTHER_IDENTITIES = ("aws_profile_name", "aws_role_name", "aws_session_name", "aws_web_identity_token")


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix of LiteLLM's: our kind, and the variables that LiteLLM reads where the file is silent."""

    kind: str
    key: str
    base: str | None = None


PREFIXES: Mapping[str, Prefix] = {
    "openai": Prefix("openai", "OPENAI_API_KEY"),
    "azure": Prefix("azure", "AZURE_API_KEY", "AZURE_API_BASE"),
    "azure_ai": Prefix("azure", "AZURE_AI_API_KEY", "AZURE_AI_API_BASE"),
    "bedrock": Prefix("bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
    "vertex_ai": Prefix("google", "GOOGLE_SERVICE_ACCOUNT"),
    "gemini": Prefix("google", "GEMINI_API_KEY"),
    "stability": Prefix("stability", "STABILITY_API_KEY"),
    "recraft": Prefix("recraft", "RECRAFT_API_KEY"),
    "fal_ai": Prefix("fal", "FAL_AI_API_KEY"),
    "xai": Prefix("xai", "XAI_API_KEY"),
    "black_forest_labs": Prefix("bfl", "BFL_API_KEY"),
    "bfl": Prefix("bfl", "BFL_API_KEY"),
    "openrouter": Prefix("openrouter", "OPENROUTER_API_KEY"),
    "together_ai": Prefix("together", "TOGETHERAI_API_KEY"),
    "replicate": Prefix("replicate", "REPLICATE_API_KEY"),
    "deepinfra": Prefix("deepinfra", "DEEPINFRA_API_KEY"),
    "fireworks_ai": Prefix("fireworks", "FIREWORKS_AI_API_KEY"),
    "dashscope": Prefix("dashscope", "DASHSCOPE_API_KEY"),
    "volcengine": Prefix("volcengine", "VOLCENGINE_API_KEY"),
    "minimax": Prefix("minimax", "MINIMAX_API_KEY"),
    "hosted_vllm": Prefix("vllm_omni", "HOSTED_VLLM_API_KEY", "HOSTED_VLLM_API_BASE"),
    "xinference": Prefix("openai", "XINFERENCE_API_KEY", "XINFERENCE_API_BASE"),
    "litellm_proxy": Prefix("openai", "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE"),
}


class Accounts:
    """The providers so far. Entries that share kind, address, key and options share a provider."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._names: dict[str, str] = {}
        self._providers: dict[str, dict[str, Any]] = draft.tree.setdefault("providers", {})

    def provider(self, prefix: str, params: dict[str, Any], source: Place) -> str:
        """The name of the provider for these parameters, of which those that make an account are taken away."""
        known = PREFIXES[prefix]
        reader = _Reader(self._draft, params, source)
        made = {"kind": known.kind, **_account(reader, prefix, known)}
        same = repr(sorted(made.items(), key=repr))
        name = self._names.setdefault(same, self._free(prefix.replace("_", "-")))
        self._providers[name] = made
        for lost, where, text in reader.said:
            if lost:
                self._draft.lost(where, text, ("providers", name))
            else:
                self._draft.took(where, ("providers", name), text)
        return name

    def _free(self, wanted: str) -> str:
        names = (wanted if n == 1 else f"{wanted}-{n}" for n in range(1, len(self._providers) + 2))
        return next(name for name in names if name not in self._providers)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes parameters of one entry away, and keeps what is to be said of it: whether lost, of what, the sentence."""

    draft: Draft
    params: dict[str, Any]
    source: Place
    said: list[tuple[bool, Place, str]] = field(default_factory=list)

    def take(self, *names: str) -> Any:
        """The first of these that is there; all are taken away."""
        found = [self.params.pop(name, None) for name in names]
        return next((value for value in found if value not in (None, "")), None)

    def lost(self, name: str, text: str) -> None:
        self.said.append((True, (*self.source, name), text))

    def took(self, text: str, *name: str) -> None:
        self.said.append((False, (*self.source, *name), text))

    def secret(self, value: Any, parameter: str, variable: str) -> str:
        return self.draft.secret(value, variable, lambda text: self.lost(parameter, text))


def _account(reader: _Reader, prefix: str, known: Prefix) -> dict[str, Any]:
    if prefix == "bedrock":
        return _amazon(reader)
    if prefix == "vertex_ai":
        return _vertex(reader)
    made: dict[str, Any] = {}
    base = reader.take("api_base", "base_url")
    if address := _address(reader, known, base):
        made["base_url"] = address
    key = reader.take("api_key")
    if key is None:
        reader.took(f"gives no api_key: LiteLLM reads {known.key}, and so does this")
        key = f"os.environ/{known.key}"
    if not (made and str(key).lower() in _NO_KEYS and known.kind != "azure"):
        made["api_key"] = reader.secret(key, "api_key", known.key)
    options = {"organization": reader.take("organization"), "api_version": reader.take("api_version")}
    taken = {name: reader.draft.referred(value) for name, value in options.items() if value is not None}
    allowed = providers.load(known.kind).options
    for name in taken.keys() - allowed.keys():
        reader.lost(name, f"the kind {known.kind} has no such thing")
    if fitting := {name: value for name, value in taken.items() if name in allowed}:
        made["options"] = fitting
    return made


def _address(reader: _Reader, known: Prefix, base: Any) -> str | None:
    """The base URL, unless it is the kind's own place; of an Azure one the resource alone."""
    usual = providers.load(known.kind).base_url
    if base is None:
        return f"${{{known.base}}}" if known.base else None
    if str(base).startswith("os.environ/"):
        return reader.draft.referred(base)
    try:
        parts = urlsplit(str(base).rstrip("/"))
    except ValueError:  # no address, as `check` will say
        return reader.draft.referred(base)
    if usual and parts.hostname == urlsplit(usual).hostname:
        return None
    path = parts.path
    if known.kind == "azure":
        path = "/openai/v1" if "/openai/v1" in path else ""
    if (path, parts.query) != (parts.path, ""):
        reader.lost("api_base", "what follows the resource's name: the router writes that itself")
    elif path != urlsplit(usual or "").path and known.kind not in {"azure", "openai"}:
        reader.took(f"check the path: the kind's usual is {usual}", "api_base")
    _, signed, host = parts.netloc.rpartition("@")
    if signed:
        reader.lost("api_base", "the name and password in the address: an address holds none here")
    return reader.draft.referred(f"{parts.scheme}://{host}{path}")


def _amazon(reader: _Reader) -> dict[str, Any]:
    made: dict[str, Any] = {}
    region, endpoint = reader.take("aws_region_name"), reader.take("aws_bedrock_runtime_endpoint", "api_base")
    if endpoint is not None:
        made["base_url"] = reader.draft.referred(endpoint)
    elif region is not None:
        made["base_url"] = f"https://bedrock-runtime.{reader.draft.referred(region)}.amazonaws.com"
    for name in _OTHER_IDENTITIES:
        if reader.take(name) is not None:
            reader.lost(name, "the router signs by a key: give one that may do the same")
    if (token := reader.take("api_key")) is not None:
        return {**made, "api_key": reader.secret(token, "api_key", "AWS_BEARER_TOKEN_BEDROCK")}
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    given = {name: value for name in names if (value := reader.take(name)) is not None}
    if given:
        return {**made, "api_key": ":".join(reader.secret(value, name, name) for name, value in given.items())}
    text = "gives no key: LiteLLM takes the machine's identity, the router needs a key in these variables"
    reader.took(text)
    return {**made, "api_key": "${AWS_ACCESS_KEY_ID}:${AWS_SECRET_ACCESS_KEY}"}


def _vertex(reader: _Reader) -> dict[str, Any]:
    project = reader.take("vertex_project", "vertex_ai_project") or "os.environ/VERTEXAI_PROJECT"
    location = reader.take("vertex_location", "vertex_ai_location") or "global"
    where = reader.draft.referred(location)
    base = VERTEX if where == "global" else f"https://{where}-aiplatform.googleapis.com/v1"
    options = {"project": reader.draft.referred(project), "location": where}
    credentials = reader.take("vertex_credentials", "vertex_ai_credentials")
    if credentials is None:
        text = "gives no vertex_credentials: the router needs a service account's key, its JSON text in this variable"
        reader.took(text)
        key = "${GOOGLE_SERVICE_ACCOUNT}"
    elif str(credentials).startswith("os.environ/"):
        reader.took("the variable must hold the key file's JSON text, not its path", "vertex_credentials")
        key = reader.draft.referred(credentials)
    elif str(credentials).lstrip().startswith("{"):
        key = reader.secret(credentials, "vertex_credentials", "GOOGLE_SERVICE_ACCOUNT")
    else:
        reader.took("a relative path is now relative to this file", "vertex_credentials")
        key = f"${{file:{credentials}}}"
    return {"base_url": base, "api_key": key, "options": options}
