"""Reads what Google answers: pictures among thoughts, refusals inside a 200, tokens by modality."""

import msgspec

from providers.base import Answer, Image, ImageResult, Usage
from providers.errors import ErrorKind, OutcomeClass, ProviderError, bad_response

_REFUSALS = frozenset(
    {
        *("SAFETY", "IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST", "SPII"),
        *("RECITATION", "IMAGE_RECITATION", "MODEL_ARMOR"),
    },
)
"""Why a candidate ended, where the reason is what it shows."""


class _Blob(msgspec.Struct):
    data: msgspec.Raw


class _Part(msgspec.Struct, rename="camel"):
    inline_data: _Blob | None = None
    thought: bool = False


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Count(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int = 0
    prompt_tokens_details: list[_Count] | None = None
    candidates_token_count: int | None = None
    candidates_tokens_details: list[_Count] | None = None
    thoughts_token_count: int = 0
    total_token_count: int | None = None


class _Body(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None


def result(answer: Answer) -> ImageResult:
    """The pictures; a draft within a thought is none.

    Raises:
        ProviderError: there is no picture: the prompt was refused, what was drawn was, or the model only thought.
    """
    body = answer.read(_Body)
    candidates = body.candidates or []
    parts = [part for each in candidates if each.content is not None for part in each.content.parts or ()]
    blobs = [part.inline_data for part in parts if part.inline_data is not None and not part.thought]
    if not blobs:
        raise _unmade(body, candidates)
    images = tuple(Image(b64=answer.cargo(blob.data)) for blob in blobs)
    return ImageResult(images=images, usage=_usage(body.usage_metadata) if body.usage_metadata is not None else None)


def _unmade(body: _Body, candidates: list[_Candidate]) -> ProviderError:
    feedback = body.prompt_feedback
    if feedback is not None and feedback.block_reason:
        words = feedback.block_reason_message or f"the prompt was refused: {feedback.block_reason}"
        kind, outcome = ErrorKind.CONTENT_POLICY, OutcomeClass.FAILED
        return ProviderError(kind, words, outcome=outcome, code=feedback.block_reason)
    for candidate in candidates:
        reason = candidate.finish_reason or ""
        if reason in _REFUSALS:  # drawn, or thought about, and charged for before it was held back
            words = candidate.finish_message or f"the picture was held back: {reason}"
            return ProviderError(ErrorKind.CONTENT_POLICY, words, outcome=OutcomeClass.AMBIGUOUS, code=reason)
    ends = " ".join(candidate.finish_reason for candidate in candidates if candidate.finish_reason)
    return bad_response(f"the model answered without a picture; its reason to end: {ends or 'none'}")


def _usage(said: _Usage) -> Usage:
    taken, made = said.prompt_token_count, said.candidates_token_count
    seen, drawn = _pictures(said.prompt_tokens_details) or 0, _pictures(said.candidates_tokens_details)
    if drawn is None:  # there is a picture, so that is what the tokens are
        drawn = made
    total_in = None if taken is None else taken + said.tool_use_prompt_token_count
    total_out = None if made is None else made + said.thoughts_token_count
    return Usage(
        input_tokens=total_in,
        input_text_tokens=None if total_in is None else total_in - seen,
        input_image_tokens=None if total_in is None else seen,
        output_tokens=total_out,
        output_text_tokens=None if total_out is None or drawn is None else total_out - drawn,
        output_image_tokens=drawn,
        total_tokens=said.total_token_count,
    )


def _pictures(counts: list[_Count] | None) -> int | None:
    """The tokens that are pictures; None where nothing is told apart."""
    return sum(count.token_count for count in counts if count.modality == "IMAGE") if counts else None
