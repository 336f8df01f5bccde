"""`image-router diff`: two configurations compared, in the words of callers and of ops."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli import main

BASE = """\
server: {keys: [{name: studio, key: secret-studio}, {name: ci, key: secret-ci, models: [draft]}]}
providers:
  o: {kind: openai, api_key: "${SECRET}"}
  f: {kind: fal, api_key: secret-fal}
models:
  art: {aliases: [picture], chain: [o/gpt-image-2, {target: f/fal-ai/flux/dev, price: {image: 0.025}}]}
  draft: {chain: [f/fal-ai/flux/schnell]}
"""

Compare = Callable[..., Result]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """The result for a configuration and the same with pieces of its text replaced."""

    def run(*pieces: tuple[str, str], options: tuple[str, ...] = ()) -> Result:
        changed = BASE
        for old, new in pieces:
            assert old in changed
            changed = changed.replace(old, new)
        old_file, new_file = tmp_path / "old.yaml", tmp_path / "new.yaml"
        old_file.write_text(BASE)
        new_file.write_text(changed)
        environ = {"SECRET": "secret-openai"}
        return CliRunner().invoke(main, ["diff", str(old_file), str(new_file), *options], env=environ)

    return run


def test_the_same_says_nothing(compare: Compare) -> None:
    """Where nothing differs but spelling and comments, nothing is said, and the exit code is 0."""
    done = compare(
        ("draft: {chain: [f/fal-ai/flux/schnell]}", "draft: # a comment\n    chain: ['f/fal-ai/flux/schnell']")
    )
    assert (done.exit_code, done.output) == (0, "")


DIFFERENT = {
    "a new model": (
        (("  draft:", "  new: {chain: [o/a, f/b]}\n  draft:"),),
        "For callers:\n  model 'new' is new: o/a -> f/b\n",
    ),
    "a model gone": (
        (("  draft: {chain: [f/fal-ai/flux/schnell]}\n", ""), ("[draft]", "['*']")),
        "For callers:\n  model 'draft' is gone: who asks for it gets 404\n  key 'ci' may ask for *, not for draft\n",
    ),
    "a model under another's alias": (
        (("  draft: {chain: [f/fal-ai/flux/schnell]}\n", ""), ("[picture]", "[picture, draft]")),
        "For callers:\n  model 'draft' is gone: 'art' serves it now\n  model 'art' is also 'draft'\n",
    ),
    "an alias gone": (
        (("aliases: [picture], ", ""),),
        "For callers:\n  model 'art' is no longer also 'picture': who asks for it gets 404\n",
    ),
    "a chain in another order": (
        (
            ("[o/gpt-image-2, ", "["),
            ("{image: 0.025}}]", "{image: 0.025}}, o/gpt-image-2]"),
        ),
        "For ops:\n  model 'art' asks in another order: f/fal-ai/flux/dev -> o/gpt-image-2\n",
    ),
    "another target": (
        (("[o/gpt-image-2, ", "[o/gpt-image-2.5-flare, "),),
        (
            "For ops:\n  model 'art' no longer asks 'o/gpt-image-2'\n"
            "  model 'art' also asks 'o/gpt-image-2.5-flare', as number 1 of 2\n"
        ),
    ),
    "another price": (
        (("0.025", "0.03"),),
        "For ops:\n  model 'art', target 'f/fal-ai/flux/dev': price.image was 0.025, is 0.03\n",
    ),
    "other policies": (
        (
            ("providers:\n", "defaults: {timeout: 3m, retry: {count: 2}}\nproviders:\n"),
            ("draft: {", "draft: {attempt_timeout: 90s, "),
        ),
        (
            "For callers:\n  every model that does not say otherwise: timeout was the default, is 3m\n"
            "For ops:\n  model 'draft': attempt_timeout was the default, is 90s\n"
            "  every model that does not say otherwise: retry.count was the default, is 2\n"
        ),
    ),
    "other defaults for callers": (
        (("art: {", "art: {params: {quality: high}, "),),
        "For callers:\n  model 'art': params.quality was the default, is high\n",
    ),
    "other providers": (
        (
            ('"${SECRET}"', "secret-other, connect_timeout: 2s"),
            ("  f: {", "  b: {kind: bfl, api_key: secret-bfl}\n  f: {"),
        ),
        (
            "For ops:\n  provider 'o': api_key changed\n  provider 'o': connect_timeout was the default, is 2s\n"
            "  provider 'b' is new: kind bfl\n"
        ),
    ),
    "other keys": (
        (
            ("{name: studio, key: secret-studio}, ", ""),
            ("key: secret-ci", "key: secret-more"),
            ("[draft]}", "[draft, art]}, {name: lab, key: secret-lab}"),
        ),
        (
            "For callers:\n  key 'studio' is gone: who uses it gets 401\n"
            "  key 'ci' may ask for draft or art, not for draft\n  key 'ci': key changed\n"
            "  key 'lab' is new: it may ask for *\n"
        ),
    ),
    "another server": (
        (("server: {", "server: {port: 9000, max_image: 20MB, state: 'redis://:secret-state@h:1/0', "),),
        (
            "For callers:\n  server: max_image was the default, is 20MB\n"
            "For ops:\n  server: port was the default, is 9000\n  server: state changed\n"
        ),
    ),
}


@pytest.mark.parametrize(("pieces", "said"), DIFFERENT.values(), ids=DIFFERENT)
def test_each_difference_is_said_in_words(compare: Compare, pieces: tuple[tuple[str, str], ...], said: str) -> None:
    """What changes is said once, to whom it concerns, in the file's own words; no key is shown; the exit code is 1."""
    done = compare(*pieces)
    assert (done.exit_code, done.output) == (1, said)
    assert "secret-" not in done.output


def test_wildcards_in_another_order_matter(tmp_path: Path) -> None:
    """The first wildcard that matches serves, so their order is part of what a configuration means."""
    head = "providers: {s: {kind: sketch}}\nmodels:\n"
    wide, narrow = "  a/*: {chain: [s/*]}\n", "  a/b/*: {chain: [s/*]}\n"
    (tmp_path / "old.yaml").write_text(head + narrow + wide)
    (tmp_path / "new.yaml").write_text(head + wide + narrow)
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")])
    assert (done.exit_code, done.output) == (1, "For ops:\n  wildcards are tried in another order: a/*, a/b/*\n")


def test_the_same_as_json(compare: Compare) -> None:
    """`--json` prints the differences as records."""
    done = compare(("0.025", "0.03"), options=("--json",))
    assert done.exit_code == 1
    words = "model 'art', target 'f/fal-ai/flux/dev': price.image was 0.025, is 0.03"
    assert json.loads(done.output) == [{"audience": "ops", "words": words}]


def test_what_cannot_be_compared_exits_with_two(compare: Compare) -> None:
    """As with diff(1), trouble is no difference: a file with mistakes, or one argument too few."""
    done = compare(("kind: fal", "kind: fall"))
    assert done.exit_code == 2
    assert "no kind 'fall' (did you mean 'fal'?)" in done.stderr
    assert CliRunner().invoke(main, ["diff", "one.yaml"]).exit_code == 2
