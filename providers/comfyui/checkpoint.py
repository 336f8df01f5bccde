"""The graphs for a checkpoint that has none of its own: from text, from a picture, within a mask.

They suit what loads as one file, such as Stable Diffusion and SDXL; `config/workflows/` has them to copy from.
"""

from collections.abc import Mapping
from typing import Any

from providers.comfyui.workflow import Workflow


def _node(class_type: str, **inputs: Any) -> Mapping[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _graph(strength: object, picture: str, **nodes: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes by name; `latent` is what drawing begins with, `picture` the node whose picture is saved."""
    return {
        "checkpoint": _node("CheckpointLoaderSimple", ckpt_name="{{model}}"),
        "prompt": _node("CLIPTextEncode", clip=["checkpoint", 1], text="{{prompt}}"),
        "negative": _node("CLIPTextEncode", clip=["checkpoint", 1], text="{{negative_prompt}}"),
        **nodes,
        "sampler": _node(
            "KSampler",
            model=["checkpoint", 0],
            positive=["prompt", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed="{{seed}}",
            steps="{{steps=25}}",
            cfg="{{guidance=6}}",
            sampler_name="dpmpp_2m",
            scheduler="karras",
            denoise=strength,
        ),
        "decoded": _node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2]),
        "saved": _node("SaveImage", images=[picture, 0], filename_prefix="image"),
    }


def _loaded(crop: str) -> dict[str, Mapping[str, Any]]:
    """A picture in the size asked, as often as pictures are."""
    size = {"width": "{{width=1024}}", "height": "{{height=1024}}"}
    return {
        "image": _node("LoadImage", image="{{image}}"),
        "scaled": _node("ImageScale", image=["image", 0], upscale_method="lanczos", **size, crop=crop),
        "batch": _node("RepeatImageBatch", image=["scaled", 0], amount="{{n}}"),
    }


TEXT = _graph(
    1,
    "decoded",
    latent=_node("EmptyLatentImage", width="{{width=1024}}", height="{{height=1024}}", batch_size="{{n}}"),
)
IMAGE = _graph(
    "{{strength=0.75}}",
    "decoded",
    **_loaded("center"),
    latent=_node("VAEEncode", pixels=["batch", 0], vae=["checkpoint", 2]),
)
INPAINT = _graph(
    "{{strength=1}}",
    "composite",
    **_loaded("disabled"),  # as the mask, which is stretched
    mask=_node("LoadImage", image="{{mask}}"),
    encoded=_node("VAEEncode", pixels=["batch", 0], vae=["checkpoint", 2]),
    latent=_node("SetLatentNoiseMask", samples=["encoded", 0], mask=["mask", 1]),
    composite=_node(
        "ImageCompositeMasked",
        destination=["batch", 0],
        source=["decoded", 0],
        x=0,
        y=0,
        resize_source=False,
        mask=["mask", 1],
    ),
)
CHECKPOINT = tuple(map(Workflow.of, (TEXT, IMAGE, INPAINT)))
