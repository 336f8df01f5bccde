"""ComfyUI: takes pictures and graphs, refuses wrong ones as the real one does, and runs sound ones on true pictures."""

import io
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from backends.comfyui_graphs import judge, outputs, run
from backends.comfyui_nodes import MEMORY
from backends.fields import Refusal
from backends.ledger import Record
from backends.openai import body_of
from backends.server import Reply, Request, Server, Status


class ComfyUIBackend(Server):
    """`url` is the base URL. `end` says how the next jobs end, `stumble` what the next polls are answered with.

    What was run before is not run again: of a graph that is the same in all, the history then has no pictures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.key: str | None = None
        self.polls = 0
        self.files: dict[str, bytes] = {}
        self.graphs: list[dict[str, Any]] = []
        self._ends: deque[str] = deque()
        self._stumbles: deque[int] = deque()
        self._history: dict[str, Any] = {}
        self._saved: dict[str, bytes] = {}
        self._asked: set[str] = set()

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    def end(self, *states: str) -> None:
        """How the next jobs end: `success`, `error`, `memory`, or `previews` where nothing is saved."""
        self._ends.extend(states)

    def stumble(self, *statuses: int) -> None:
        """What the next polls are answered with, before all is normal again."""
        self._stumbles.extend(statuses)

    def error(self, failure: Status) -> bytes:
        """Its own shape; `param` names the node and the input that are to blame."""
        nodes: dict[str, Any] = {}
        said = {"type": failure.code or "prompt_outputs_failed_validation", "message": failure.message, "details": ""}
        if failure.param is not None:
            node, _, name = failure.param.partition(".")
            flaw = {**said, "details": f"{name}: 'x' not in ['y']", "extra_info": {"input_name": name}}
            nodes[node] = {"errors": [flaw], "dependent_outputs": ["saved"], "class_type": "KSampler"}
            said = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"}
        return msgspec.json.encode({"error": {**said, "extra_info": {}}, "node_errors": nodes})

    def answer(self, request: Request) -> Reply:
        """An upload, a graph, the history, or a picture."""
        record = None
        try:
            self._authorise(request)
            if request.path == "/upload/image":
                return self._upload(request)
            if request.path == "/prompt":
                graph = msgspec.json.decode(request.body)["prompt"]
                record = _record(request, graph)
                return Reply(200, self._taken(graph), record=record)
            if request.path == "/view":
                return self._viewed(request.query)
            return self._told(request.path.removeprefix("/history/"))
        except Refusal as refusal:
            failure = refusal.failure
            if record is not None:
                record = replace(record, status=failure.status, billed=False)
            return Reply(failure.status, self.error(failure), record=record)

    def _authorise(self, request: Request) -> None:
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            raise Refusal(401, "who are you", "unauthorized")

    def _upload(self, request: Request) -> Reply:
        fields, (part,) = body_of(request)
        if part.name != "image" or fields.keys() > {"type", "subfolder", "overwrite"} or fields.get("type") != "input":
            raise Refusal(400, "")
        stem, name, number = part.filename.removesuffix(".png"), part.filename, 0
        while self.files.get(f"{fields['subfolder']}/{name}", part.data) != part.data:
            number += 1
            name = f"{stem} ({number}).png"
        self.files[f"{fields['subfolder']}/{name}"] = part.data
        return Reply(200, msgspec.json.encode({"name": name, "subfolder": fields["subfolder"], "type": "input"}))

    def _taken(self, graph: dict[str, Any]) -> bytes:
        judge(graph, self.files)
        job = f"job-{len(self.graphs)}"
        self._history[job] = self._outcome(graph, job, self._ends.popleft() if self._ends else "success")
        self.graphs.append(graph)
        return msgspec.json.encode({"prompt_id": job, "number": len(self.graphs), "node_errors": {}})

    def _outcome(self, graph: dict[str, Any], job: str, end: str) -> dict[str, Any]:
        messages: list[Any] = [["execution_start", {"prompt_id": job}]]
        if end in {"error", "memory"}:
            messages += [["execution_error", MEMORY]] if end == "memory" else []
            return {"outputs": {}, "status": {"status_str": "error", "completed": False, "messages": messages}}
        status = {"status_str": "success", "completed": True, "messages": messages}
        if graph in self.graphs:
            return {"outputs": {}, "status": status}
        kind = "temp" if end == "previews" else "output"
        made = {name: {"images": self._save(graph, name, job, kind)} for name in outputs(graph)}
        return {"outputs": made, "status": status}

    def _save(self, graph: dict[str, Any], node: str, job: str, kind: str) -> list[dict[str, str]]:
        (pictures,) = run(graph, self.files, node)
        images = [{"filename": f"{job}_{at:05}_.png", "subfolder": "", "type": kind} for at in range(len(pictures))]
        for image, picture in zip(images, pictures, strict=True):
            into = io.BytesIO()
            picture.save(into, "png")
            self._saved[image["filename"]] = into.getvalue()
        return images

    def _told(self, job: str) -> Reply:
        self.polls += 1
        if self._stumbles:
            return Reply(self._stumbles.popleft(), b"<html>busy</html>")
        known = job in self._asked and job in self._history  # at the first look it is still at work
        self._asked.add(job)
        return Reply(200, msgspec.json.encode({job: self._history[job]} if known else {}))

    def _viewed(self, query: Mapping[str, str]) -> Reply:
        found = self._saved.get(query["filename"]) if query.get("type") == "output" else None
        return Reply(404) if found is None else Reply(200, found, {"content-type": "image/png"})


def _record(request: Request, graph: Mapping[str, Any]) -> Record:
    plain = {
        name: value for node in graph.values() for name, value in node["inputs"].items() if not isinstance(value, list)
    }
    return Record(
        path=request.path,
        model=plain.get("ckpt_name"),
        n=plain.get("batch_size", plain.get("amount", 1)),
        fields={**plain, "graph": graph},
        headers=request.headers,
        status=200,
        billed=True,
    )
