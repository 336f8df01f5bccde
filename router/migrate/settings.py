"""LiteLLM's settings of router, library and server to our `server` and `defaults`."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from router.config.mistakes import Place
from router.migrate.draft import Draft, duration, section

PORT = 4000  # where LiteLLM listens, and its clients ask
_MOST_RETRIES = 5
_MOST_FAILURES = 1000
_MOST_AT_ONCE = 65_536
_LONGEST_WAIT = 600.0
_ELSEWHERE = {
    *("fallbacks", "default_fallbacks", "content_policy_fallbacks", "context_window_fallbacks"),
    *("model_group_alias", "routing_strategy", "redis_host", "redis_port", "redis_password", "redis_url"),
    *("cache_params", "master_key"),
}
_MAY_BE_NONE = {"num_retries", "allowed_fails"}
_WHY = {
    "cache": "the router does not keep responses for LiteLLM's cache",
    "callbacks": "the router tells Prometheus by /metrics and logs a line for each request",
    "success_callback": "the router tells Prometheus by /metrics and logs a line for each request",
    "failure_callback": "the router tells Prometheus by /metrics and logs a line for each request",
    "database_url": "the router has no database; virtual keys become entries of server.keys",
    "store_model_in_db": "the router has no database: models are those of this file",
    "enable_pre_call_checks": "the router always leaves out targets that cannot serve a request",
    "retry_policy": "which failures are retried is defaults.retry.on_codes",
    "allowed_fails_policy": "which failures count is not set by their kind",
    "drop_params": "false is not written: the router adapts what a target cannot express (defaults.unsupported)",
}
_UNKNOWN = "the router has no such setting"


class Settings:
    """Reads the sections one by one; the first that sets something decides."""

    def __init__(self, draft: Draft, source: Mapping[str, Any]) -> None:
        self._draft = draft
        self._source = source
        self._server: dict[str, Any] = draft.tree.setdefault("server", {})
        self._defaults: dict[str, Any] = draft.tree.setdefault("defaults", {})

    def write(self) -> None:
        """All of them; `defaults` goes where nothing was set."""
        self._listen()
        for name in ("router_settings", "litellm_settings", "general_settings"):
            for key, value in section(self._source, name).items():
                self._one((name, key), key, value)
        self._state()
        for variable in section(self._source, "environment_variables"):
            self._draft.lost(("environment_variables", variable), "set it in the router's own environment")
        if not self._defaults:
            del self._draft.tree["defaults"]

    def _listen(self) -> None:
        key = section(self._source, "general_settings").get("master_key")
        source: Place = ("general_settings", "master_key")
        self._server.update(host="0.0.0.0" if key else "127.0.0.1", port=PORT)  # noqa: S104 - where LiteLLM listens
        if key is None:
            text = "there is no master_key, so only this machine may call: add server.keys to let others in"
            self._draft.comments[("server", "host")] = [text]
            return
        here: Place = ("server", "keys", 0)
        self._draft.took(source, here, "an ordinary key here; nobody can make others by it")
        self._server["keys"] = [{"name": "master", "key": self._secret(key, "ROUTER_KEY", source, here)}]

    def _one(self, source: Place, key: str, value: Any) -> None:
        setters: Mapping[str, Callable[[Place, float], None]] = {
            "num_retries": self._retries,
            "timeout": self._timeout,
            "request_timeout": self._timeout,
            "allowed_fails": self._failures,
            "cooldown_time": lambda where, number: self._nested(where, "circuit", "open_for", duration(number)),
            "retry_after": lambda where, number: self._nested(where, "retry", "backoff", duration(number)),
            "default_max_parallel_requests": self._side_by_side,
            "max_parallel_requests": self._side_by_side,
        }
        if key in _ELSEWHERE:
            return
        number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        if key in setters and number and (value > 0 or (value == 0 and key in _MAY_BE_NONE)):
            setters[key](source, value)
        elif key == "drop_params" and value is True:
            self._set(source, "unsupported", "drop")
        elif key == "disable_cooldowns" and value is True:
            self._nested(source, "circuit", "failures", _MOST_FAILURES)
        else:
            self._draft.lost(source, _WHY.get(key, _UNKNOWN))

    def _set(self, source: Place, key: str, value: Any, text: str = "") -> None:
        if key in self._defaults:
            self._draft.lost(source, f"another setting has decided defaults.{key}")
            return
        self._defaults[key] = value
        self._draft.took(source, ("defaults", key), text)

    def _nested(self, source: Place, group: str, key: str, value: Any, text: str = "") -> None:
        inner = self._defaults.setdefault(group, {})
        if key in inner:
            self._draft.lost(source, f"another setting has decided defaults.{group}.{key}")
            return
        inner[key] = value
        self._draft.took(source, ("defaults", group, key), text)

    def _retries(self, source: Place, number: float) -> None:
        text = f"{int(number)} there; {_MOST_RETRIES} are the most here" if number > _MOST_RETRIES else ""
        self._nested(source, "retry", "count", min(_MOST_RETRIES, int(number)), text)

    def _timeout(self, source: Place, number: float) -> None:
        self._set(source, "attempt_timeout", duration(number), "of one attempt; defaults.timeout is of them all")
        if number > _LONGEST_WAIT and "timeout" not in self._defaults:
            self._defaults["timeout"] = duration(number)

    def _failures(self, source: Place, number: float) -> None:
        text = "failures in a row here; LiteLLM counts those of a minute, and opens after one more"
        self._nested(source, "circuit", "failures", min(_MOST_FAILURES, int(number) + 1), text)

    def _side_by_side(self, source: Place, number: float) -> None:
        self._set(source, "max_concurrency", max(1, min(_MOST_AT_ONCE, int(number))))

    def _state(self) -> None:
        """A Redis that LiteLLM shares its counts by; that of its cache only where there is no other."""
        router, cache = section(self._source, "router_settings"), section(self._source, "litellm_settings")
        params = section(cache, "cache_params")
        here: Place = ("server", "state")
        source: Place
        if router.get("redis_url") or router.get("redis_host"):
            source, url = ("router_settings",), router.get("redis_url")
            host, port, password = (router.get(f"redis_{name}") for name in ("host", "port", "password"))
        elif params.get("host") and params.get("type", "redis") == "redis":
            source, url = ("litellm_settings", "cache_params"), None
            host, port, password = (params.get(name) for name in ("host", "port", "password"))
        else:
            if params:
                self._draft.lost(("litellm_settings", "cache_params"), _WHY["cache"])
            return
        if url:
            self._server["state"] = self._secret(url, "REDIS_URL", (*source, "redis_url"), here)
        else:
            key = f":{self._password(password, source, here)}@" if password else ""
            self._server["state"] = f"redis://{key}{self._draft.referred(host)}:{self._draft.referred(port or 6379)}/0"
        self._draft.took(source, here, "what workers share; memory does for one process")

    def _password(self, password: Any, source: Place, here: Place) -> str:
        name = "password" if source[-1] == "cache_params" else "redis_password"
        return self._secret(password, "REDIS_PASSWORD", (*source, name), here)

    def _secret(self, value: Any, name: str, source: Place, here: Place) -> str:
        return self._draft.secret(value, name, lambda text: self._draft.lost(source, text, here))
