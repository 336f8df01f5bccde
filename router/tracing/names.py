"""The names in spans: OpenTelemetry's where it has them, for generative models too, else ours."""

from typing import Final

SERVICE: Final = "image-router"

OPERATION: Final = "gen_ai.operation.name"
GENERATE_CONTENT: Final = "generate_content"
"""There is no operation for pictures: this one is meant, with pictures for output."""

OUTPUT_TYPE: Final = "gen_ai.output.type"
IMAGE: Final = "image"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
ERROR_TYPE: Final = "error.type"
METHOD: Final = "http.request.method"
STATUS: Final = "http.response.status_code"

REQUEST_ID: Final = "image_router.request.id"
IMAGE_OPERATION: Final = "image_router.operation"
TARGET: Final = "image_router.target"
ATTEMPT: Final = "image_router.attempt.number"
OUTCOME: Final = "image_router.attempt.outcome"
PHASE: Final = "image_router.call.phase"

PLAN: Final = "plan"
DOWNLOAD: Final = "download"
