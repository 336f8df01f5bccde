"""What a model's graphs accept, read from their slots; and a prompt without the syntax of ComfyUI's nodes."""

import re
from collections.abc import Mapping, Sequence

from providers.base import Operation
from providers.comfyui.workflow import Workflow
from providers.dialect import VARY, As, Between, Dialect, Grid, MaskForm, Rule

SIZE = Grid(("width", "height"), step=16, shortest=16, longest=16_384, area=(1 << 8, 1 << 28), ratio=1024)
_RULES: Mapping[str, tuple[str, Rule]] = {  # parameter -> the slot without which there is none, and its rule
    "shape": ("width", SIZE),
    "seed": ("seed", As("seed")),
    "negative_prompt": ("negative_prompt", As("negative_prompt")),
    "steps": ("steps", As("steps")),
    "guidance": ("guidance", As("guidance")),
    "strength": ("strength", Between("strength", 0, 1)),
}
_MOST_PER_CALL = 4  # a batch is drawn at once, and so is the memory that it takes

_BRACKETS = str.maketrans({"(": r"\(", ")": r"\)", "{": r"\(", "}": r"\)"})
_EMBEDDING = re.compile(r"\b(embedding):", re.IGNORECASE)
_NETWORK = re.compile(r"<(?=\w+:)")
_WILDCARD = re.compile(r"__+")


def dialect(workflows: Sequence[Workflow]) -> Dialect:
    """What these graphs do: a parameter is there where each graph for the same has its slot."""
    drawing = [workflow for workflow in workflows if not workflow.images]
    editing = [workflow for workflow in workflows if workflow.images and not workflow.masked]
    masking = [workflow for workflow in workflows if workflow.masked]
    operations = {Operation.GENERATE: drawing, Operation.EDIT: editing or masking}
    params, edit_params, mask_params = (_rules(some or workflows) for some in (drawing, editing, masking))
    return Dialect(
        params=params,
        edit_params={parameter: edit_params.get(parameter) for parameter in _RULES},
        mask_params={parameter: mask_params.get(parameter) for parameter in _RULES},
        operations=frozenset(operation for operation, some in operations.items() if some),
        variation_prompt=VARY if any(workflow.images == 1 for workflow in editing) else None,
        max_n=_MOST_PER_CALL if all("n" in workflow.slots for workflow in workflows) else 1,
        max_images=max(workflow.images for workflow in workflows),
        mask=MaskForm.CLEAR if masking else None,
    )


def _rules(workflows: Sequence[Workflow]) -> dict[str, Rule]:
    shared = frozenset.intersection(*(workflow.slots for workflow in workflows))
    return {parameter: rule for parameter, (slot, rule) in _RULES.items() if slot in shared}


def escaped(prompt: str) -> str:
    """The prompt with none of the nodes' syntax: weights, choices, wildcards, embeddings, networks."""
    text = _EMBEDDING.sub(r"\1 :", prompt.translate(_BRACKETS))
    return _WILDCARD.sub("_", _NETWORK.sub("< ", text))
