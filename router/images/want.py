"""The form in which a picture is wanted, and whether it has that already. Nothing here decodes, or needs what does."""

from dataclasses import dataclass

from router.config.pictures import Resize
from router.images.pixels import Picture

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
KINDS = (PNG, JPEG, WEBP)
"""What a picture may become."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """The form asked for.

    Args:
        media_type: PNG, JPEG or WEBP; None for what the picture is, or PNG for what is none of these.
        quality: 0 (smallest) to 100 (best, and None) for JPEG and WEBP; nothing to PNG.
        width: pixels; 0 for what the picture has.
        height: the same.
        resize: how the picture gets these pixels: not, stretched, or scaled and cut to their ratio.
        transparent: the picture is meant to have alpha, so it cannot be a JPEG.
    """

    media_type: str | None = None
    quality: int | None = None
    width: int = 0
    height: int = 0
    resize: Resize = Resize.OFF
    transparent: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """The pixels that the picture must have; None where any will do."""
        return (self.width, self.height) if self.resize is not Resize.OFF and self.width and self.height else None

    def kind(self, media_type: str | None) -> str:
        """What a picture of this kind is to become."""
        if self.media_type is not None:
            return self.media_type
        kept = media_type if media_type in KINDS else None
        return PNG if kept is None or (kept == JPEG and self.transparent) else kept


def needs_change(picture: Picture, want: Want) -> bool:
    """Whether a picture whose bytes were seen has another form than asked, by its header alone."""
    kind = want.kind(picture.media_type)
    if picture.animated or picture.media_type != kind or (kind == JPEG and want.transparent):
        return True
    return want.size not in (None, (picture.width, picture.height))
