"""What ComfyUI answers: where an upload lies, what was taken, how it ended; and its failures as typed errors."""

import msgspec

from providers.base import Answer, ErrorKind, OutcomeClass, ProviderError, bad_response, json_error

_BOUNDS = {"value_smaller_than_min", "value_bigger_than_max"}  # the caller's; all else is the configuration's
_LONGEST = 300  # characters of a failure's own words
WAITING, DONE, FAILED = "waiting", "success", "error"  # the history knows nothing of a job until its end


class Stored(msgspec.Struct):
    """Where an uploaded picture lies."""

    name: str
    subfolder: str = ""

    @property
    def path(self) -> str:
        """As a node that loads pictures wants it."""
        return f"{self.subfolder}/{self.name}" if self.subfolder else self.name


class Saved(msgspec.Struct):
    """Where a picture lies that a node saved; of another type it is a preview."""

    filename: str
    subfolder: str = ""
    type: str = ""


class _Output(msgspec.Struct):
    images: list[Saved] = []


class _Detail(msgspec.Struct):
    exception_type: str | None = None
    exception_message: str | None = None
    node_id: str | None = None
    node_type: str | None = None


class _Status(msgspec.Struct):
    status_str: str
    messages: list[tuple[str, _Detail]] = []


class _Extra(msgspec.Struct):
    input_name: str = ""


class _Flaw(msgspec.Struct):
    type: str
    message: str = ""
    extra_info: _Extra | None = None


class _Node(msgspec.Struct):
    errors: list[_Flaw] = []
    class_type: str = ""


_Nodes = dict[str, _Node] | list[msgspec.Raw]  # an empty list where there are none


class Taken(msgspec.Struct):
    """The answer to a graph; nodes with flaws are not run."""

    prompt_id: str
    node_errors: _Nodes = {}


class _Refused(msgspec.Struct):
    node_errors: _Nodes = {}


class _Ended(msgspec.Struct):
    outputs: dict[str, _Output] = {}
    status: _Status | None = None


def _ended(answer: Answer, name: str) -> _Ended | None:
    return answer.read(dict[str, _Ended]).get(name)


def state(answer: Answer, name: str) -> str:
    """How far a job is."""
    found = _ended(answer, name)
    if found is None:
        return WAITING
    return found.status.status_str if found.status is not None else DONE


def failure(answer: Answer, name: str) -> ProviderError:
    """Why a job ended badly."""
    found = _ended(answer, name)
    messages = found.status.messages if found is not None and found.status is not None else ()
    told = next((detail for event, detail in messages if event == "execution_error"), _Detail())
    words = (told.exception_message or f"the workflow ended as {FAILED!r}").strip().partition("\n")[0][:_LONGEST]
    where = f"node {told.node_id} ({told.node_type}): " if told.node_id else ""
    out_of_memory = "OutOfMemory" in (told.exception_type or "")
    return ProviderError(
        ErrorKind.UNAVAILABLE,
        where + words,
        outcome=OutcomeClass.FAILED,
        code="out_of_memory" if out_of_memory else told.exception_type,
    )


def saved_by(answer: Answer, name: str, node: str) -> list[Saved]:
    """The pictures that a node of a job saved."""
    found = _ended(answer, name) or _Ended()
    return [image for image in found.outputs.get(node, _Output()).images if image.type == "output"]


def unsaved(taken: Taken, node: str) -> ProviderError:
    """Why a job that ended well has no picture: a node that was not run, or nobody knows."""
    flaw = _flaw(taken.node_errors)
    if flaw is None:
        return bad_response(f"the workflow's output node {node} saved no picture")
    return ProviderError(ErrorKind.UNSUPPORTED, flaw[1], outcome=OutcomeClass.FAILED, code=flaw[0])


def _flaw(nodes: _Nodes) -> tuple[str, str] | None:
    """The first flaw that the server finds in a graph: its code, and a sentence without the server's own lists."""
    for name, node in nodes.items() if isinstance(nodes, dict) else ():
        for flaw in node.errors:
            field = f", {flaw.extra_info.input_name}" if flaw.extra_info and flaw.extra_info.input_name else ""
            return flaw.type, f"node {name} ({node.class_type}): {flaw.message or flaw.type}{field}"
    return None


_read = json_error(message=("error.message", "error"), code=("error.type",))


def error(answer: Answer) -> ProviderError:
    """A failing answer; a graph that is refused is the configuration's fault, but for numbers out of bounds."""
    found = _read(answer)
    if answer.status != 400 or found.code is None:
        return found
    try:
        flaw = _flaw(answer.read(_Refused).node_errors)
    except ProviderError:
        flaw = None
    if flaw is not None:
        found.code, found.message = flaw
    found.kind = ErrorKind.INVALID_REQUEST if found.code in _BOUNDS else ErrorKind.UNSUPPORTED
    return found
