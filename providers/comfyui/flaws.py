"""What is wrong with the graphs of a configuration, told before any of them is run."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from providers.comfyui.workflow import (
    IMAGES,
    NUMBERS,
    SAVES,
    SLOTS,
    TEXTS,
    TITLE,
    WHOLE,
    Graph,
    Place,
    Workflow,
    outputs_of,
    slots_of,
)

_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")


def flaws(graphs: Sequence[Any]) -> Iterator[tuple[int, Place, str]]:
    """What is wrong with the graphs of one model: which graph, where in it, and a sentence with the remedy."""
    seen: set[tuple[int, bool]] = set()
    for index, graph in enumerate(graphs):
        found = list(_malformed(graph)) or [*_wrong_slots(graph), *_missing(graph)]
        yield from ((index, place, message) for place, message in found)
        if found:
            continue
        workflow = Workflow.of(graph)
        role = (workflow.images, workflow.masked)
        if role in seen:
            told = f"another graph of this model takes {role[0]} pictures with{'' if role[1] else 'out'} a mask too"
            yield index, (), f"{told}: keep one of them"
        seen.add(role)


def _malformed(graph: Any) -> Iterator[tuple[Place, str]]:
    if not isinstance(graph, dict) or not graph or isinstance(graph.get("nodes"), list):
        yield (), "no graph for ComfyUI's API: export the workflow with 'Export (API)'"
        return
    for name, node in graph.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            yield (name,), "no node: each has a 'class_type' and 'inputs', as 'Export (API)' writes them"
        elif not isinstance(node.get("inputs"), dict):
            yield (name,), "a node without 'inputs': add them, as 'Export (API)' writes them"
        else:
            for key, value in node["inputs"].items():
                if _is_link(value) and value[0] not in graph:
                    yield (name, "inputs", key), f"leads to a node {value[0]!r} that is not there: correct the link"


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _wrong_slots(graph: Graph) -> Iterator[tuple[Place, str]]:
    for place, value, found in slots_of(graph):
        name, default = found[1], found[2]
        if name not in SLOTS:
            near = get_close_matches(name, SLOTS, n=1)
            hint = f"did you mean {{{{{near[0]}}}}}?" if near else f"they are {', '.join(SLOTS[:10])} and image_2 to 16"
            yield place, f"no slot is called {name!r}: {hint}"
        elif name not in TEXTS and found[0] != value:
            yield place, f"the slot {name!r} must be the whole value: write nothing else into this text"
        elif name in NUMBERS and not _NUMBER.fullmatch(default or ""):
            yield place, f"the slot {name!r} needs a number for when nobody asks: write such as {{{{{name}=20}}}}"
        elif name in WHOLE and "." in default:
            yield place, f"the slot {name!r} needs a whole number"
        elif default is not None and name not in NUMBERS | {"negative_prompt"}:
            yield place, f"the slot {name!r} is always filled: leave out what follows the ="


def _missing(graph: Graph) -> Iterator[tuple[Place, str]]:
    names = {found[1] for _, _, found in slots_of(graph)}
    if "prompt" not in names:
        yield (), "no slot {{prompt}}: write it where the prompt belongs"
    if "seed" not in names:
        yield (), 'no slot {{seed}}: write "seed": "{{seed}}", or every call would draw the same picture'
    taken = [name in names for name in IMAGES]
    if taken != sorted(taken, reverse=True) or ("mask" in names and not taken[0]):
        yield (), "a slot is missing before others: pictures are {{image}}, {{image_2}} and so on; a mask needs one"
    if len({"width", "height"} & names) == 1:
        yield (), "one of {{width}} and {{height}} is missing: write both, or neither"
    outputs = outputs_of(graph)
    if len(outputs) != 1:
        what = "no output node" if not outputs else f"{len(outputs)} output nodes"
        yield (), f"{what}: use one {SAVES}, or give the node whose pictures count the title '{TITLE}'"
