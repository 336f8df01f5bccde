"""README.md and docs/: each command in them is run as it stands, and each link leads somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from backends.openai import OpenAIBackend
from redis_server import NEEDS_REDIS, redis_server
from serving import ROOT
from stories import Fence, Story, fences, unsaid

__all__ = ["redis_server"]  # a fixture

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TOLD = [each for each in DOCUMENTS if any(fence.language == "sh" for fence in fences(each))]
LANGUAGES = {"sh", "text", "yaml", "json", "python", "ini"}
ELSEWHERE = {
    "docker build": {"--file", "--tag"},
    "docker compose": {"--file"},
    "kubectl apply": {"--kustomize"},
    "kubectl create": {"--from-literal"},
}
"""Programs that the tests do not have: what of them is used, and by which flags."""

LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
KEYS = """\
server:
  keys_file: keys.yaml
  keys:
    - {name: studio, models: ["flux*"], budget: {usd: 50}}
providers: {sketch: {kind: sketch}}
models: {flux: {chain: [sketch/sketch]}}
"""


@pytest.fixture
def story(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Story]:
    """An empty directory, with a backend in OpenAI's place, and a Redis where the document needs one."""
    environ = {"ROUTER_KEY": "key-of-the-team"}
    if "scaling-out" in request.node.name:
        environ["REDIS_URL"] = request.getfixturevalue("redis_server").url
    with OpenAIBackend() as backend, Story(tmp_path, environ, backend) as told:
        yield told


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(each, id=each.stem, marks=[NEEDS_REDIS] if each.stem == "scaling-out" else [])
        for each in TOLD
        if each.name != "README.md"
    ],
)
def test_a_document_can_be_followed(story: Story, document: Path) -> None:
    """From its first line to its last every command succeeds, and says what stands below it."""
    blocks = fences(document)
    assert len(list(story.follow(blocks))) == len(
        [each for each in blocks if each.language == "sh" and not each.elsewhere]
    )


def test_the_readme_can_be_followed(story: Story) -> None:
    """Its commands too; what they print is described in words."""
    (story.directory / "router.yaml").write_text(KEYS)
    list(story.follow([Fence("sh", "", "image-router keys new studio --config router.yaml\n", elsewhere=False)]))
    makefile = (ROOT / "Makefile").read_text()
    blocks = [each for each in fences(ROOT / "README.md") if each.language == "sh"]
    first, *rest = sorted(blocks, key=lambda each: "image-router demo" in each.text)  # in the quick start's place, last
    for target in re.findall(r"^make (\w+)", first.text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert len(list(story.follow([Fence("sh", "", "make run\n", elsewhere=False), *rest]))) == 1 + len(rest)


def test_make_run_is_what_the_stories_start() -> None:
    """`make run` serves the shipped configuration by the command that the tests start in its place."""
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^CONFIG +[?:]?= config/router.yaml$", makefile, re.MULTILINE)
    assert 'image-router serve --config "$(CONFIG)"' in makefile


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.stem)
def test_no_command_is_left_out(document: Path) -> None:
    """A block is in a language that these tests know, so that no command is in one that they pass over."""
    assert len(fences(document)) == len(re.findall(r"^```\w", document.read_text(), re.MULTILINE))
    assert {each.language for each in fences(document)} <= LANGUAGES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.stem)
def test_what_is_run_elsewhere_names_what_is_there(document: Path) -> None:
    """Commands of programs that the tests do not have: the files exist, and the flags are ones that we know."""
    for fence in fences(document):
        if fence.elsewhere:
            for line in fence.text.replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                flags = {word.partition("=")[0] for word in words if word.startswith("--")}
                assert flags <= ELSEWHERE[" ".join(words[:2])]
                assert all((ROOT / word).exists() for word in words if "/" in word and "=" not in word)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.stem)
def test_links_lead_somewhere(document: Path) -> None:
    """Each file and folder that a document links to is there."""
    missing = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert missing == []


def test_every_document_is_in_the_index() -> None:
    """Who opens docs/ finds all of it from its README, and that from the README of the whole."""
    index = {link for link in LINK.findall((ROOT / "docs/README.md").read_text()) if "/" not in link}
    assert index == {each.name for each in DOCUMENTS if each.parent.name == "docs"} - {"README.md"}
    assert "docs/README.md" in LINK.findall((ROOT / "README.md").read_text())


def test_what_is_expected_is_compared_in_order() -> None:
    """Lines come in the order told, others may be between them, and `...` stands for anything."""
    assert unsaid("a\n...\nc ...\n", "a\nb\nc d\n") is None
    assert unsaid("b\na\n", "a\nb\n") == "a"
    assert unsaid("a.c\n", "abc\n") == "a.c"
