"""What `kubectl kustomize` makes of our manifests, as far as they use it: for machines without it."""

from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]


def assembled(directory: Path) -> list[Object]:
    """Every object of a kustomization."""
    plan = yaml.safe_load((directory / "kustomization.yaml").read_text())
    objects: list[Object] = []
    for name in plan["resources"]:
        path = directory / name
        objects += assembled(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for made in plan.get("configMapGenerator", ()):
        objects = _with_config(objects, made["name"], {name: (directory / name).read_text() for name in made["files"]})
    for patch in plan.get("patches", ()):
        (target,) = (each for each in objects if _answers(each, patch["target"]))
        for operation in yaml.safe_load((directory / patch["path"]).read_text()):
            _patch(target, **operation)
    for each in objects:
        for labels in plan.get("labels", ()):
            each["metadata"].setdefault("labels", {}).update(labels["pairs"])
        _name_images(each, {image["name"]: f"{image['newName']}:{image['newTag']}" for image in plan.get("images", ())})
    return objects


def _with_config(objects: list[Object], name: str, data: dict[str, str]) -> list[Object]:
    """The objects with this ConfigMap, in place of the one that they may have."""
    for each in objects:
        if _answers(each, {"kind": "ConfigMap", "name": name}):
            each["data"] = data
            return objects
    return [*objects, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}]


def _answers(each: Object, target: dict[str, str]) -> bool:
    return (each["kind"], each["metadata"]["name"]) == (target["kind"], target["name"])


def _name_images(each: Object, images: dict[str, str]) -> None:
    for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
        container["image"] = images.get(container["image"], container["image"])


def _patch(document: Any, op: str, path: str, value: Any = None) -> None:
    """One operation of a JSON patch."""
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    for part in way:
        document = document[int(part)] if isinstance(document, list) else document[part]
    if op == "remove":
        del document[last]
    elif last == "-":
        document.append(value)
    else:
        document[last] = value
