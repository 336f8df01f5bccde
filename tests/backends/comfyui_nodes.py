"""ComfyUI's nodes as far as a backend in a test needs them: what each wants, and what it makes of true pictures."""

import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from PIL import Image, ImageOps

CHECKPOINT = "sd_xl_base_1.0.safetensors"
DRAWN = (200, 30, 40)
"""The colour of all that is drawn; each further picture of a batch is greener."""

MEMORY = {
    "node_id": "sampler",
    "node_type": "KSampler",
    "exception_type": "torch.OutOfMemoryError",
    "exception_message": "Allocation on device 0 would exceed allowed memory.\nGot 12 GiB",
}
"""What the history says of a node that had too little of it."""

WIDE, BATCH = range(16, 16_385), range(1, 4097)
SAMPLERS, SCHEDULERS = ["euler", "dpmpp_2m"], ["normal", "karras", "simple"]


class Latent(NamedTuple):
    """Pictures as a model sees them."""

    pictures: list[Image.Image]


class Class(NamedTuple):
    """What a node gives, and what it wants: a link by its type, a word of a list, a number of a range, a value."""

    gives: tuple[str, ...]
    wants: Mapping[str, Any]
    run: Callable[..., tuple[Any, ...]]


def _tokens(count: int = 1) -> Callable[..., tuple[Any, ...]]:
    return lambda **_: (None,) * count


def _blank(width: int, height: int, batch_size: int) -> tuple[Any, ...]:
    return (Latent([Image.new("RGB", (width, height))] * batch_size),)


def _loaded(image: bytes) -> tuple[Any, ...]:
    with Image.open(io.BytesIO(image)) as opened:
        alpha = opened.convert("RGBA").getchannel("A")
        return [opened.convert("RGB")], ImageOps.invert(alpha)


def _drawn(latent_image: Latent, **_: Any) -> tuple[Any, ...]:
    sizes = [picture.size for picture in latent_image.pictures]
    return (Latent([Image.new("RGB", size, (DRAWN[0], DRAWN[1] + 20 * at, 40)) for at, size in enumerate(sizes)]),)


def _composite(destination: list[Image.Image], source: list[Image.Image], mask: Image.Image, **_: Any) -> Any:
    """As many as the destination has; the source where the mask is white."""
    masks = [mask.resize(picture.size) for picture in destination]
    return ([Image.composite(*each) for each in zip(source, destination, masks, strict=False)],)


_SIZE = {"width": WIDE, "height": WIDE, "batch_size": BATCH}
_CONDITIONING = "CONDITIONING"
CLASSES: Mapping[str, Class] = {
    "CheckpointLoaderSimple": Class(("MODEL", "CLIP", "VAE"), {"ckpt_name": [CHECKPOINT]}, _tokens(3)),
    "UNETLoader": Class(
        ("MODEL",),
        {"unet_name": ["flux1-dev.safetensors", "flux1-fill-dev.safetensors"], "weight_dtype": ["default"]},
        _tokens(),
    ),
    "DualCLIPLoader": Class(
        ("CLIP",),
        {"clip_name1": ["t5xxl_fp16.safetensors"], "clip_name2": ["clip_l.safetensors"], "type": ["flux"]},
        _tokens(),
    ),
    "VAELoader": Class(("VAE",), {"vae_name": ["ae.safetensors"]}, _tokens()),
    "CLIPTextEncode": Class((_CONDITIONING,), {"clip": "CLIP", "text": str}, _tokens()),
    "FluxGuidance": Class((_CONDITIONING,), {"conditioning": _CONDITIONING, "guidance": range(101)}, _tokens()),
    "ConditioningZeroOut": Class((_CONDITIONING,), {"conditioning": _CONDITIONING}, _tokens()),
    "EmptyLatentImage": Class(("LATENT",), _SIZE, _blank),
    "EmptySD3LatentImage": Class(("LATENT",), _SIZE, _blank),
    "LoadImage": Class(("IMAGE", "MASK"), {"image": bytes}, _loaded),
    "ImageScale": Class(
        ("IMAGE",),
        {
            "image": "IMAGE",
            "upscale_method": ["lanczos"],
            "width": WIDE,
            "height": WIDE,
            "crop": ["disabled", "center"],
        },
        lambda image, width, height, **_: ([each.resize((width, height)) for each in image],),
    ),
    "RepeatImageBatch": Class(("IMAGE",), {"image": "IMAGE", "amount": BATCH}, lambda image, amount: (image * amount,)),
    "VAEEncode": Class(("LATENT",), {"pixels": "IMAGE", "vae": "VAE"}, lambda pixels, **_: (Latent(pixels),)),
    "SetLatentNoiseMask": Class(("LATENT",), {"samples": "LATENT", "mask": "MASK"}, lambda samples, **_: (samples,)),
    "InpaintModelConditioning": Class(
        (_CONDITIONING, _CONDITIONING, "LATENT"),
        {
            "positive": _CONDITIONING,
            "negative": _CONDITIONING,
            "vae": "VAE",
            "pixels": "IMAGE",
            "mask": "MASK",
            "noise_mask": bool,
        },
        lambda pixels, **_: (None, None, Latent(pixels)),
    ),
    "KSampler": Class(
        ("LATENT",),
        {
            "model": "MODEL",
            "positive": _CONDITIONING,
            "negative": _CONDITIONING,
            "latent_image": "LATENT",
            "seed": range(1 << 62),
            "steps": range(1, 10_001),
            "cfg": range(101),
            "sampler_name": SAMPLERS,
            "scheduler": SCHEDULERS,
            "denoise": range(2),
        },
        _drawn,
    ),
    "VAEDecode": Class(("IMAGE",), {"samples": "LATENT", "vae": "VAE"}, lambda samples, **_: (samples.pictures,)),
    "ImageCompositeMasked": Class(
        ("IMAGE",),
        {
            "destination": "IMAGE",
            "source": "IMAGE",
            "x": range(16_385),
            "y": range(16_385),
            "resize_source": bool,
            "mask": "MASK",
        },
        _composite,
    ),
    "SaveImage": Class((), {"images": "IMAGE", "filename_prefix": str}, lambda images, **_: (images,)),
}
