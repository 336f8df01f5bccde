"""Google's Gemini image models by generateContent: the Gemini API, and Vertex AI under other addresses."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from providers.auth import google
from providers.base import Adapter, Flow, Inline, Job, Upload, submit
from providers.google.answers import result
from providers.google.errors import error
from providers.google.tables import DIALECTS

_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
_CANVAS = ("aspectRatio", "imageSize")


def _generate(job: Job) -> Flow:
    path = f"{_place(job)}/models/{quote(job.model, safe='')}:generateContent"
    pictures = [{"inlineData": {"mimeType": _kind(image), "data": Inline(image)}} for image in job.images]
    contents = [{"role": "user", "parts": [{"text": job.prompt}, *pictures]}]
    body = {"contents": contents, **_settings(job.params)}
    return result((yield submit(path, json={**_joined(body, job.extras), "contents": contents})))


def _kind(image: Upload) -> str:
    return image.media_type or "application/octet-stream"


def _settings(params: Mapping[str, Any]) -> Mapping[str, Any]:
    config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
    canvas = {name: params[name] for name in _CANVAS if name in params}
    if canvas:
        config["imageConfig"] = canvas
    if "seed" in params:
        config["seed"] = params["seed"]
    if "threshold" not in params:
        return {"generationConfig": config}
    safety = [{"category": f"HARM_CATEGORY_{harm}", "threshold": params["threshold"]} for harm in _HARMS]
    return {"safetySettings": safety, "generationConfig": config}


def _place(job: Job) -> str:
    """What leads to the models from a base URL that says it all, a project, or a host alone."""
    if "/publishers/" in job.base_url:
        return ""
    if project := job.options.get("project"):
        location = quote(job.options.get("location", "global"), safe="")
        return f"/projects/{quote(project, safe=':')}/locations/{location}/publishers/google"
    return "/publishers/google" if "/projects/" in job.base_url or "aiplatform." in job.base_url else ""


def _joined(fields: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Both; where both have an object, it holds what either has."""
    joined = {**fields, **extras}
    for name in fields.keys() & extras.keys():
        if isinstance(fields[name], dict) and isinstance(extras[name], dict):
            joined[name] = _joined(fields[name], extras[name])
    return joined


adapter = Adapter(
    base_url="https://generativelanguage.googleapis.com/v1",
    dialects=DIALECTS,
    auth=google,
    options={
        "project": "the Google Cloud project, for Vertex AI: base_url is https://aiplatform.googleapis.com/v1 then, "
        "or that of a region",
        "location": "where the project's models are; global unless given",
    },
    generate=_generate,
    error=error,
)
