"""A graph as ComfyUI treats it: judged before it is taken, then run from its end backwards."""

from collections.abc import Iterator, Mapping
from typing import Any

from backends.comfyui_nodes import CLASSES
from backends.fields import Refusal

Flaw = tuple[str, str]  # its type, and words


def judge(graph: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Refuses a graph with a class, an input or a value that is not there, or without an output."""
    for name, node in graph.items():
        if node["class_type"] not in CLASSES:
            raise Refusal(400, f"Cannot execute because node {name} does not exist.", "invalid_prompt")
        for field, legal in CLASSES[node["class_type"]].wants.items():
            for kind, words in _flaws(node["inputs"], field, legal, graph, files):
                raise Refusal(400, words, kind, f"{name}.{field}")
    if not outputs(graph):
        raise Refusal(400, "Prompt has no outputs", "prompt_no_outputs")


def outputs(graph: Mapping[str, Any]) -> list[str]:
    """The nodes that save pictures."""
    return [name for name, node in graph.items() if node["class_type"] == "SaveImage"]


def run(graph: Mapping[str, Any], files: Mapping[str, bytes], name: str) -> tuple[Any, ...]:
    """What a node makes, after all that it needs."""
    kind = CLASSES[graph[name]["class_type"]]
    inputs = {
        key: run(graph, files, value[0])[value[1]]
        if isinstance(value, list)
        else files[value]
        if kind.wants[key] is bytes
        else value
        for key, value in graph[name]["inputs"].items()
    }
    return kind.run(**inputs)


def _flaws(
    inputs: Mapping[str, Any], field: str, legal: Any, graph: Mapping[str, Any], files: Mapping[str, bytes]
) -> Iterator[Flaw]:
    value = inputs.get(field)
    if value is None:
        yield "required_input_missing", "Required input is missing"
    elif isinstance(legal, str):
        given = CLASSES[graph[value[0]]["class_type"]].gives if isinstance(value, list) else ()
        if not given or given[value[1]] != legal:
            yield "return_type_mismatch", "Return type mismatch between linked nodes"
    elif isinstance(legal, range):
        yield from _out_of_bounds(value, legal)
    elif isinstance(legal, list) and value not in legal:
        yield "value_not_in_list", "Value not in list"
    elif legal is bytes and value not in files:
        yield "custom_validation_failed", "Custom validation failed for node"
    elif legal in (str, bool) and type(value) is not legal:
        yield "invalid_input_type", "Failed to convert an input value"


def _out_of_bounds(value: Any, legal: range) -> Iterator[Flaw]:
    if type(value) not in (int, float):
        yield "invalid_input_type", "Failed to convert an input value"
    elif value < legal[0]:
        yield "value_smaller_than_min", "Value smaller than min"
    elif value > legal[-1]:
        yield "value_bigger_than_max", "Value bigger than max"
