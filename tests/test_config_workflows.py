"""Workflows in the configuration: found beside it, judged when it is loaded, run by the models that name them."""

import io
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from backends.comfyui import ComfyUIBackend
from backends.comfyui_nodes import DRAWN
from pictures import png
from PIL import Image
from serving import serving

from providers.base import Operation
from router import shipped
from router.catalog import Catalog
from router.config.load import ConfigError, Loaded, load
from router.config.model import ProviderSettings
from router.runtime import Runtime

TEXT = (shipped.path("workflows") / "flux-text.json").read_text()


def config(**workflows: Any) -> dict[str, Any]:
    """A configuration with these workflows; its chain asks for those called `flux`."""
    comfy = {"kind": "comfyui", "base_url": "http://127.0.0.1:8188", "workflows": workflows}
    return {"providers": {"comfy": comfy}, "models": {"m": {"chain": ["comfy/flux"]}}}


def read(directory: Path, settings: dict[str, Any]) -> Loaded:
    """Loads a configuration from a directory."""
    (directory / "router.yaml").write_text(yaml.safe_dump(settings))
    return load(directory / "router.yaml", {})


def said(directory: Path, settings: dict[str, Any]) -> list[str]:
    """The mistakes in a configuration, without its directory."""
    with pytest.raises(ConfigError) as refused:
        read(directory, settings)
    return [str(mistake).removeprefix(f"{directory}/") for mistake in refused.value.mistakes]


FLAWED = {
    "a slot of another name": (
        TEXT.replace("{{prompt}}", "{{promt}}"),
        [
            "g.json:1:1: no slot {{prompt}}: write it where the prompt belongs",
            "g.json:27:15: prompt.inputs.text: no slot is called 'promt': did you mean {{prompt}}?",
        ],
    ),
    "no slot for chance": (
        TEXT.replace('"{{seed}}"', "7"),
        ['g.json:1:1: no slot {{seed}}: write "seed": "{{seed}}", or every call would draw the same picture'],
    ),
    "a number within a text": (
        TEXT.replace('"{{steps=20}}"', '"{{steps=20}} or so"'),
        [
            (
                "g.json:59:16: sampler.inputs.steps: the slot 'steps' must be the whole value: "
                "write nothing else into this text"
            )
        ],
    ),
    "a number nobody need ask for": (
        TEXT.replace("{{steps=20}}", "{{steps}}"),
        [
            (
                "g.json:59:16: sampler.inputs.steps: the slot 'steps' needs a number for when nobody asks: "
                "write such as {{steps=20}}"
            )
        ],
    ),
    "half a step": (
        TEXT.replace("{{steps=20}}", "{{steps=2.5}}"),
        ["g.json:59:16: sampler.inputs.steps: the slot 'steps' needs a whole number"],
    ),
    "a seed that is given": (
        TEXT.replace("{{seed}}", "{{seed=7}}"),
        ["g.json:58:15: sampler.inputs.seed: the slot 'seed' is always filled: leave out what follows the ="],
    ),
    "half a size": (
        TEXT.replace('"{{width=1024}}"', "1024"),
        ["g.json:1:1: one of {{width}} and {{height}} is missing: write both, or neither"],
    ),
    "a mask of nothing": (
        TEXT.replace('"ae.safetensors"', '"{{mask}}"'),
        [
            (
                "g.json:1:1: a slot is missing before others: pictures are {{image}}, {{image_2}} and so on; "
                "a mask needs one"
            )
        ],
    ),
    "no output": (
        TEXT.replace("SaveImage", "PreviewImage"),
        ["g.json:1:1: no output node: use one SaveImage, or give the node whose pictures count the title 'output'"],
    ),
    "two outputs": (
        TEXT.replace("VAEDecode", "SaveImage"),
        ["g.json:1:1: 2 output nodes: use one SaveImage, or give the node whose pictures count the title 'output'"],
    ),
    "a link to nowhere": (
        TEXT.replace('["clip", 0]', '["clop", 0]'),
        ["g.json:26:15: prompt.inputs.clip: leads to a node 'clop' that is not there: correct the link"],
    ),
    "no node": (
        '{\n  "1": 7,\n  "2": {"class_type": "A"}}',
        [
            "g.json:2:8: 1: no node: each has a 'class_type' and 'inputs', as 'Export (API)' writes them",
            "g.json:3:8: 2: a node without 'inputs': add them, as 'Export (API)' writes them",
        ],
    ),
    "the editor's own form": (
        '{"nodes": [], "links": []}',
        ["g.json:1:1: no graph for ComfyUI's API: export the workflow with 'Export (API)'"],
    ),
    "another form": ("a: 1\n", ["g.json:1:1: not valid JSON from here on: save the workflow with 'Export (API)'"]),
    "broken": ('{"1": {', ["g.json:1:8: not valid JSON from here on: save the workflow with 'Export (API)'"]),
}


@pytest.mark.parametrize(("text", "told"), FLAWED.values(), ids=FLAWED)
def test_a_workflow_s_mistakes_are_told_where_they_stand(tmp_path, text, told):
    """A workflow that cannot be used keeps the configuration from loading, with its file, line, column and remedy."""
    (tmp_path / "g.json").write_text(text)
    assert said(tmp_path, config(flux="g.json")) == told


def test_the_title_names_the_output_among_several(tmp_path):
    """Where several nodes save, or another class does, the title says whose pictures count."""
    graph = json.loads(TEXT)
    graph["saved"]["_meta"] = {"title": "output"}
    graph["also"] = {"class_type": "SaveImage", "inputs": {"images": ["decoded", 0], "filename_prefix": "copy"}}
    (tmp_path / "g.json").write_text(json.dumps(graph))
    assert read(tmp_path, config(flux=["g.json"])).graphs["comfy"]["flux"] == [graph]


def test_what_the_configuration_itself_has_wrong(tmp_path):
    """A file that is not there, the same role twice, a model without a workflow, another kind: told at their places."""
    (tmp_path / "g.json").write_text(TEXT)
    settings = config(flax=["g.json", "g.json"], none="absent.json")
    settings["providers"]["other"] = {"kind": "sketch", "workflows": {"x": "g.json"}}
    assert [line.partition(": ")[2] for line in said(tmp_path, settings)] == [
        "another graph of this model takes 0 pictures without a mask too: keep one of them",
        "models.m.chain[0]: provider 'comfy' has no workflow for 'flux' (did you mean 'flax'?)",
        "providers.comfy.workflows.none: no such file: check the path",
        "providers.other.workflows: kind 'sketch' runs no workflows: remove them",
    ]


def test_parameters_that_no_workflow_has_a_slot_for(tmp_path):
    """A default parameter without a slot is a mistake, as with any other kind."""
    (tmp_path / "g.json").write_text(TEXT)
    settings = config(flux="g.json")
    settings["models"]["m"]["params"] = {"negative_prompt": "people"}
    (told,) = said(tmp_path, settings)
    assert "no target of the chain has a negative_prompt" in told


def test_a_changed_workflow_is_another_configuration(tmp_path):
    """The hash by which a configuration is known covers the workflows that it names."""
    hashes = set()
    for text in (TEXT, TEXT.replace("euler", "dpmpp_2m")):
        (tmp_path / "g.json").write_text(text)
        hashes.add(read(tmp_path, config(flux="g.json")).text_hash)
    assert len(hashes) == 2


@pytest.mark.anyio
async def test_a_workflow_outranks_what_its_model_is_like(tmp_path):
    """A target's tables are its own workflows' also where `like` names the model that it really is."""
    (tmp_path / "g.json").write_text(TEXT)
    settings = config(flux="g.json")
    settings["models"]["m"]["chain"] = [{"target": "comfy/flux", "like": "flux-dev"}]
    runtime = Runtime(read(tmp_path, settings), Catalog({}, {}))
    ((_, route),) = runtime.named()
    assert route.targets[0].dialect.operations == {Operation.GENERATE}
    await runtime.aclose()


def test_a_client_is_served_by_a_workflow(tmp_path):
    """From the configuration to the picture: a mask of a client's changes what it says and nothing else."""
    with ComfyUIBackend() as backend:
        paths = [str(shipped.path("workflows") / f"flux-{role}.json") for role in ("text", "image", "inpaint")]
        settings = config(flux=paths)
        settings["providers"]["comfy"]["base_url"] = backend.url
        with serving(settings, tmp_path) as url:
            files = {
                "image": ("a.png", png(96, 64), "image/png"),
                "mask": ("m.png", png(96, 64, alpha=True), "image/png"),
            }
            asked = {"model": "m", "prompt": "a red kite"}
            answer = httpx.post(f"{url}/v2/router/images/edits", data=asked, files=files, timeout=30)
        assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(b64decode(answer.json()["data"][0]["b64_json"]))) as picture:
        colours = [picture.convert("RGB").getpixel(place) for place in ((0, 0), (47, 63), (48, 0), (95, 63))]
    assert colours == [DRAWN, DRAWN, (90, 90, 90), (90, 90, 90)]


def test_paths_stand_beside_the_file(tmp_path):
    """A path is relative to the configuration's file, alone or in a list."""
    given = ProviderSettings.model_validate(
        {"kind": "comfyui", "workflows": {"a": "a.json", "b": ["b.json"]}}, context={"directory": tmp_path}
    )
    assert given.workflows == {"a": (tmp_path / "a.json",), "b": (tmp_path / "b.json",)}
