"""A graph as ComfyUI exports it for its API, with slots such as `{{prompt}}` to be filled."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from providers.base import FreshUUID

Place = tuple[str | int, ...]
Graph = Mapping[str, Mapping[str, Any]]

TEXTS = frozenset({"prompt", "negative_prompt", "model"})
WHOLE = frozenset({"width", "height", "steps"})
NUMBERS = WHOLE | {"guidance", "strength"}
MOST_IMAGES = 16
IMAGES = ("image", *(f"image_{place}" for place in range(2, MOST_IMAGES + 1)))
SLOTS = (*sorted(TEXTS), *sorted(NUMBERS), "n", "seed", "mask", *IMAGES)
"""Every slot. Those of `NUMBERS` say what stands there where nobody asks: `{{steps=25}}`."""

_SLOT = re.compile(r"\{\{\s*(\w+)\s*(?:=\s*([^{}]*?)\s*)?\}\}")
SAVES, TITLE = "SaveImage", "output"
"""The class of the node whose pictures count; the title of one of another class, or of one among several."""

_NAME = "filename_prefix"


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph without flaws: its slots, the node whose pictures count, and what it works on."""

    graph: Graph
    slots: frozenset[str]
    output: str
    images: int
    masked: bool

    @classmethod
    def of(cls, graph: Graph) -> "Workflow":
        """A graph in which `flaws` found nothing."""
        slots = frozenset(found[1] for *_, found in slots_of(graph))
        (output,) = outputs_of(graph)
        return cls(graph, slots, output, sum(name in slots for name in IMAGES), "mask" in slots)

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The graph with a value in each slot; its pictures are saved anew even where all else is cached."""
        made = {
            name: {
                "class_type": node["class_type"],
                "inputs": {key: _filled(value, values) for key, value in node["inputs"].items()},
            }
            for name, node in self.graph.items()
        }
        saved = made[self.output]["inputs"]
        if isinstance(saved.get(_NAME), str):
            saved[_NAME] = FreshUUID()
        return made


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    whole = _SLOT.fullmatch(value)
    if whole is not None:
        return values[whole[1]] if whole[1] in values else _default(whole)
    return _SLOT.sub(lambda found: str(values[found[1]] if found[1] in values else _default(found)), value)


def _default(found: re.Match[str]) -> str | int | float:
    """What a slot says of itself; a negative prompt is otherwise empty."""
    said = found[2] or ""
    if found[1] not in NUMBERS:
        return said
    return int(said) if found[1] in WHOLE else float(said)


def slots_of(graph: Graph) -> Iterator[tuple[Place, str, re.Match[str]]]:
    """Each slot: where it stands, the text around it, and itself."""
    for name, node in graph.items():
        for key, value in node["inputs"].items():
            for found in _SLOT.finditer(value) if isinstance(value, str) else ():
                yield (name, "inputs", key), value, found


def outputs_of(graph: Graph) -> list[str]:
    """The node that is titled so, else those that save pictures."""
    titled = [name for name, node in graph.items() if _title(node) == TITLE]
    return titled or [name for name, node in graph.items() if node["class_type"] == SAVES]


def _title(node: Mapping[str, Any]) -> Any:
    meta = node.get("_meta")
    return meta.get("title") if isinstance(meta, dict) else None
