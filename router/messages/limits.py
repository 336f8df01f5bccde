"""How much a request's body may weigh."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from router.config.model import Server

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """What a body may be. Sizes are bytes, times seconds.

    Args:
        max_body: the whole body of a form.
        max_json: a JSON or urlencoded body, which is held in memory while it is read.
        max_text: one text field of a form.
        max_all_text: all text fields of a form together.
        max_image: one picture.
        max_images: pictures, the mask not counted.
        max_parts: parts of a form.
        patience: how long a body may take whatever its size,
        seconds_per_mib: and how much longer for each MiB that has come.
        spool_dir: where pictures wait; None for the system's directory of temporary files.
    """

    max_body: int = 900 * MIB
    max_json: int = 64 * MIB
    max_text: int = MIB
    max_all_text: int = 4 * MIB
    max_image: int = 50_000_000
    max_images: int = 16
    max_parts: int = 256
    patience: float = 30.0
    seconds_per_mib: float = 1.0
    spool_dir: Path | None = None

    @classmethod
    def of(cls, server: Server) -> Self:
        """The limits a config sets."""
        return cls(
            max_body=server.max_body,
            max_json=server.max_json,
            max_text=server.max_form_text,
            max_image=server.max_image,
            patience=server.timeouts.body,
            spool_dir=server.spool_dir,
        )
