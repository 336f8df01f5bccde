"""What the tests of backends that are polled share: the pictures under a result's links, and an error in short."""

import io
import urllib.request

from PIL import Image

from providers.base import ImageResult, ProviderError


def fetched(result: ImageResult) -> list[tuple[str | None, tuple[int, int]]]:
    """The kind and size of each picture of a result, from where its link leads."""
    found = []
    for image in result.images:
        assert image.url is not None
        assert image.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(image.url, timeout=10) as answer:  # noqa: S310 - the test's own server
            data = answer.read()
        with Image.open(io.BytesIO(data)) as picture:
            found.append((picture.format, picture.size))
    return found


def facts(error: ProviderError) -> tuple[str, str, int | None]:
    """Whose fault an error is, what it means for the bill, and its status."""
    return str(error.kind), str(error.outcome), error.status
