"""Azure OpenAI (Microsoft Foundry): OpenAI's wire under other addresses, with fewer words and its own errors.

A target's model is the name of a deployment; `like` in the configuration says which model that is.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from providers import images_api, openai
from providers.auth import header
from providers.base import Adapter, Call, Flow, Job, Stream
from providers.dialect import As, Dialect, Rule
from providers.errors import ErrorKind, OutcomeClass, ProviderError, When, json_error, kept_back

_API_VERSION = "2025-04-01-preview"  # the first that knows edits, and what Azure's image reference gives


def _on_azure(dialect: Dialect) -> Dialect:
    """The same family of models as Azure serves it."""
    differs: Mapping[str, Rule] = {
        "quality": openai.GPT_IMAGE_2.params["quality"],  # xhigh and max are not documented there
        "output_format": openai.words("output_format", "png", "jpeg"),
        "user": As("user"),
        "safety_identifier": As("user"),
    }
    params = {name: rule for name, rule in dialect.params.items() if name != "moderation"}
    return replace(
        dialect,
        params={**params, **differs},
        edit_params={**dialect.edit_params, "background": None},
        input_types=frozenset({"image/png", "image/jpeg"}),
    )


def _call(job: Job, fields: Mapping[str, Any]) -> Call:
    root, version = f"/openai/deployments/{quote(job.model, safe='')}", _API_VERSION
    if "/openai/v1" in job.base_url:  # the model travels in the body
        fields, root, version = {"model": job.model, **fields}, "", ""
    call = images_api.request(job, fields)
    version = job.options.get("api_version", version)
    query = f"?api-version={quote(version, safe='')}" if version else ""
    return replace(call, path=f"{root}{call.path}{query}")


def _ask(job: Job, partials: int) -> Call:
    return _call(job, images_api.streaming(partials))


def _generate(job: Job) -> Flow:
    result = images_api.result((yield _call(job, {})))
    if not result.images:
        raise _filtered()
    return result


def _filtered() -> ProviderError:
    return kept_back("the backend's content filter left no picture")


_error = json_error(
    message=("error.message", "message"),
    code=("error.code", "error.inner_error.code", "error.innererror.code", "code"),
    type=("error.type",),
    param=("error.param",),
    codes={
        **images_api.CODES,
        "contentFilter": ErrorKind.CONTENT_POLICY,
        "content_filter": ErrorKind.CONTENT_POLICY,
        "ResponsibleAIPolicyViolation": ErrorKind.CONTENT_POLICY,
        "DeploymentNotFound": ErrorKind.UNSUPPORTED,
        "OperationNotSupported": ErrorKind.UNSUPPORTED,
        "429": ErrorKind.RATE_LIMITED,
        "RateLimitReached": ErrorKind.RATE_LIMITED,
        "EngineOverloaded": ErrorKind.RATE_LIMITED,
    },
    cases={
        When(type="^insufficient_quota$"): ErrorKind.QUOTA,
        # the one refusal that Azure sometimes sends without a code of its own, in a stream after its 200
        When((200, 400), words="safety system|was filtered"): ErrorKind.CONTENT_POLICY,
        When(424): (ErrorKind.UNAVAILABLE, OutcomeClass.FAILED),  # a service behind Azure's failed
    },
)


adapter = Adapter(
    dialects={
        "gpt-image-1-mini*": _on_azure(openai.GPT_IMAGE_1_MINI),
        "gpt-image-1*": _on_azure(openai.GPT_IMAGE_1),
        "*": _on_azure(openai.GPT_IMAGE_2),
    },
    auth=header("api-key"),
    options={"api_version": f"sent as ?api-version=; {_API_VERSION} where the address has no /openai/v1, else none"},
    generate=_generate,
    error=_error,
    stream=Stream(request=_ask, event=images_api.events(_error, _filtered)),
)
