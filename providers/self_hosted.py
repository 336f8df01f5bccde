"""What servers on one's own machines have in common: whose prompts are trusted, what passes, how they fail.

No adapter itself: a kind takes what fits.
"""

from collections.abc import Callable, Mapping, Set as AbstractSet
from dataclasses import replace
from typing import Any

from providers import images_api
from providers.base import Answer, ErrorKind, ImageResult, Job, OutcomeClass, ProviderError, json_error
from providers.errors import When

PROMPT_SYNTAX = {"prompt_syntax": "`allow`: prompts may hold the server's own syntax, which is escaped otherwise"}


def trusts(job: Job) -> bool:
    """Whether the configuration lets prompts hold the server's own syntax."""
    return job.options.get("prompt_syntax") == "allow"


def writer(job: Job, escape: Callable[[str], str]) -> Callable[[str], str]:
    """How a prompt is put: escaped, or as it is where prompts are trusted."""
    return str if trusts(job) else escape


def own_options(job: Job, known: AbstractSet[str]) -> Mapping[str, Any]:
    """What the caller aims at this kind.

    Raises:
        ProviderError: `unsupported`, for a field that the server does not know or that is not passed on.
    """
    for name in sorted(job.extras.keys() - known):
        only = f"; only {', '.join(sorted(known))} are" if known else ""
        message = f"{name}: is not passed on to this server{only}; leave it out"
        raise ProviderError(ErrorKind.UNSUPPORTED, message, outcome=OutcomeClass.NOT_SENT, param=name)
    return job.extras


def result(answer: Answer) -> ImageResult:
    """What a successful answer in OpenAI's form says; a usage of nothing but zeros is none."""
    made = images_api.result(answer)
    used = made.usage
    if used is not None and not (used.input_tokens or used.output_tokens or used.total_tokens):
        return replace(made, usage=None)
    return made


error = json_error(
    message=("error.message", "detail.0.msg", "detail", "message", "error"),
    type=("error.type",),
    param=("error.param", "detail.0.loc.1"),
    cases={  # what this server cannot do and another may
        When(400, words="Model mismatch|At most [0-9]+ images|Only a single image"): ErrorKind.UNSUPPORTED,
        When(500, words="out of memory|OutOfMemory"): ErrorKind.UNSUPPORTED,  # again it would fill the same machine
    },
)
"""What a failing answer says, in OpenAI's form or in FastAPI's."""
