"""`image-router check`: what it finds in a configuration, where, and how it exits."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.catalog import load_catalog
from router.checkup.findings import Finding, Severity
from router.checkup.survey import survey
from router.cli import main

EXAMPLE = Path(__file__).parent / "configs" / "retired-models.yaml"
DAY = date(2026, 11, 21)
CATALOG = load_catalog()
ACCOUNTS = """\
providers:
  o: {kind: openai, api_key: k}
  f: {kind: fal, api_key: k}
"""

Look = Callable[..., list[str]]


def check(*arguments: str) -> Result:
    """`image-router check` on that day."""
    return CliRunner().invoke(main, ["check", *arguments, "--on", DAY.isoformat()])


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """The findings of a text of models, without the file's name; two accounts are there unless it says otherwise."""

    def found(text: str, severity: Severity = Severity.WARNING, accounts: str = ACCOUNTS) -> list[str]:
        file = tmp_path / "router.yaml"
        file.write_text(accounts + text)
        report = survey(file, {}, CATALOG, DAY)
        assert not report.failed(strict=False), report.findings
        return [_short(each) for each in report.findings if each.severity is severity]

    return found


def _short(finding: Finding) -> str:
    return f"{finding.line}:{finding.column}: {finding.where}: {finding.message}"


def test_retired_models_are_named_with_their_heirs() -> None:
    """Since when each is gone, what replaces it and the line to write; only `--strict` makes that an error."""
    done = check(str(EXAMPLE))
    assert done.exit_code == 0, done.output
    assert check(str(EXAMPLE), "--strict").exit_code == 1
    told = done.stdout.partition("\n\n")[2].splitlines()
    assert [line.removeprefix(f"{EXAMPLE}:") for line in told] == [
        (
            "11:9: models.posters.chain[0]: 'openai/dall-e-3' is retired since 2026-05-12: "
            "its successor is 'openai/gpt-image-2', so write 'openai/gpt-image-2' (warning)"
        ),
        "    - openai/gpt-image-2 # the model of 2023",
        (
            "15:9: models.logos.chain[0]: 'openai/gpt-image-1' is retired since 2026-10-23: "
            "its successor is 'openai/gpt-image-2', so write 'openai/gpt-image-2' (warning)"
        ),
        "    - {target: openai/gpt-image-2, attempt_timeout: 90s}",
        (
            "16:9: models.logos.chain[1]: 'azure/our-logos' (gpt-image-1) is retired since 2026-10-23: "
            "its successor is 'azure/gpt-image-2', so put that behind 'our-logos' and write "
            "'like: gpt-image-2' (warning)"
        ),
        "    - {target: azure/our-logos, like: gpt-image-2}",
        (
            "17:21: models.banners.chain[0]: 'bedrock/amazon.nova-canvas-v1:0' is retired since 2026-09-30: "
            "its successor is 'aws/stability.sd3-5-large-v1:0', so write 'bedrock/stability.sd3-5-large-v1:0' (warning)"
        ),
        "    banners: {chain: [bedrock/stability.sd3-5-large-v1:0, openai/gpt-image-2]}",
    ]


def test_a_model_with_its_heirs_written_is_fine(tmp_path: Path) -> None:
    """Whoever writes the lines that `check` proposes has nothing left to do."""
    text = EXAMPLE.read_text()
    lines = {finding.line: finding.write for finding in survey(EXAMPLE, {}, CATALOG, DAY).findings}
    mended = [
        f"{line[: len(line) - len(line.lstrip())]}{lines[number]}" if number in lines else line
        for number, line in enumerate(text.splitlines(), start=1)
    ]
    file = tmp_path / "router.yaml"
    file.write_text("\n".join(mended))
    assert survey(file, {}, CATALOG, DAY).findings == ()


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 10, 1), "models.m.chain[0]: 'o/gpt-image-1.5' retires on 2026-12-01, in 61 days"),
        (date(2026, 10, 2), "models.m.chain[0]: 'o/gpt-image-1.5' retires on 2026-12-01, in 60 days"),
        (date(2026, 11, 30), "models.m.chain[0]: 'o/gpt-image-1.5' retires on 2026-12-01, in 1 day"),
        (date(2026, 12, 1), "models.m.chain[0]: 'o/gpt-image-1.5' is retired since 2026-12-01"),
    ],
)
def test_sixty_days_ahead_are_looked_at(tmp_path: Path, day: date, said: str) -> None:
    """A model is named from sixty days before its end, and not a day earlier."""
    file = tmp_path / "router.yaml"
    file.write_text(f"{ACCOUNTS}models: {{m: {{chain: [o/gpt-image-1.5, f/fal-ai/flux/dev]}}}}\n")
    found = [f"{each.where}: {each.message}" for each in survey(file, {}, CATALOG, day).findings]
    assert found == ([] if "61" in said else [said])


def test_an_heir_in_the_chain_is_not_written_twice(look: Look, tmp_path: Path) -> None:
    """Where the successor serves already, or another's successor will, the retired target is only removed."""
    models = "{m: {chain: [o/dall-e-3, o/gpt-image-1, f/fal-ai/flux/dev]}, n: {chain: [o/dall-e-2, o/gpt-image-2]}}"
    text = f"models: {models}\n"
    assert len(look(text)) == 3
    (tmp_path / "again.yaml").write_text(ACCOUNTS + text)
    found = survey(tmp_path / "again.yaml", {}, CATALOG, DAY).findings
    warned = [each for each in found if each.severity is Severity.WARNING]
    assert [each.remedy.rpartition(", ")[2] for each in warned] == [
        "so write 'o/gpt-image-2'",
        "so remove this target",
        "so remove this target",
    ]


HOMES = {
    "nowhere": ("", "b/dall-e-3", ""),
    "another provider": (", o: {kind: openai, api_key: k}", "b/dall-e-3", "models: {m: {chain: [o/gpt-image-2]}}"),
    "in place of a name of one's own": (
        ", o: {kind: openai, api_key: k}",
        "{target: b/ours, like: dall-e-3}",
        "- o/gpt-image-2",
    ),
}


@pytest.mark.parametrize(("other", "target", "write"), HOMES.values(), ids=HOMES)
def test_an_heir_elsewhere_is_found_at_another_provider(tmp_path: Path, other: str, target: str, write: str) -> None:
    """A successor that the target's own provider does not have is asked for at one that has, else its kind is named."""
    file = tmp_path / "router.yaml"
    file.write_text(
        f"providers: {{b: {{kind: bedrock, api_key: 'a:b'}}{other}}}\nmodels: {{m: {{chain: [{target}]}}}}\n"
    )
    found = next(each for each in survey(file, {}, CATALOG, DAY).findings if each.severity is Severity.WARNING)
    assert found.write == write
    assert ("add a provider of kind azure or openai" in found.remedy) is (not write)


def test_a_retired_name_on_living_targets_is_a_hint(look: Look) -> None:
    """A public name that is gone keeps its rules: that is worth knowing, and no fault."""
    text = "models: {dall-e-3: {chain: [o/gpt-image-2, f/fal-ai/flux/dev]}}\n"
    assert look(text) == []
    (hint,) = look(text, Severity.HINT)
    assert hint == "4:10: models.dall-e-3: callers ask for 'openai/dall-e-3', which is retired since 2026-05-12"


WARNED = {
    "the same twice": (
        "models: {m: {chain: [o/a, f/fal-ai/flux/dev, o/a]}}\n",
        "4:46: models.m.chain[2]: the same target as chain[0]: what fails there fails here",
    ),
    "no fallback": (
        "models: {m: {fallback_on: [], chain: [o/gpt-image-2, f/fal-ai/flux/dev]}}\n",
        (
            "4:54: models.m.chain[1]: 'o/gpt-image-2' before it can do all that it can, and 'fallback_on' is empty: "
            "it is asked only while that one is left out after failures, or for callers that send 'fallback_on_codes'"
        ),
    ),
    "a weight without weights": (
        "models: {m: {chain: [{target: o/a, weight: 3}, f/fal-ai/flux/dev]}}\n",
        "4:44: models.m.chain[0].weight: has no effect while the model's order is as_written",
    ),
    "a policy of the whole request": (
        "models: {m: {chain: [{target: o/a, timeout: 3s}, f/fal-ai/flux/dev]}}\n",
        "4:45: models.m.chain[0].timeout: has no effect on a target: it holds for the whole request",
    ),
    "exercise without a second": (
        "models: {m: {exercise: 0.1, chain: [o/a]}, n: {chain: [f/fal-ai/flux/dev]}}\n",
        "4:24: models.m.exercise: has no effect: the chain has no second target",
    ),
    "a wildcard behind a wider one": (
        "models:\n  a/*: {chain: [o/*]}\n  a/b/*: {chain: [f/*]}\n",
        "6:3: models.a/b/*: never asked: 'a/*' above takes every name that it could",
    ),
    "two spellings": (
        "models: {gpt-image-2: {chain: [o/a]}, n: {aliases: [openai/gpt-image-2], chain: [f/fal-ai/flux/dev]}}\n",
        (
            "4:53: models.n.aliases[0]: 'openai/gpt-image-2' and 'gpt-image-2' are one model to callers, and two here: "
            "by its spelling a request goes to 'n' or to 'gpt-image-2'"
        ),
    ),
    "nothing that the name promises": (
        "models: {dall-e-3: {chain: [o/gpt-image-2, f/fal-ai/qwen-image-edit]}}\n",
        "4:44: models.dall-e-3.chain[1]: never asked: it can edit or variation only, which 'dall-e-3' does not promise",
    ),
    "default parameters that rule it out": (
        (
            "models: {m: {params: {style: vivid}, chain: [{target: o/gpt-image-2, unsupported: error}, "
            "o/dall-e-3-of-ours, f/fal-ai/flux/dev]}}\n"
        ),
        (
            "4:46: models.m.chain[0]: skipped wherever the caller does not say otherwise: style: vivid cannot be sent "
            "as asked, the model has no style (the model's 'params')"
        ),
    ),
}


@pytest.mark.parametrize(("text", "said"), WARNED.values(), ids=WARNED)
def test_what_has_no_effect_is_a_warning(look: Look, text: str, said: str) -> None:
    """Whatever is written and never asked, or never heeded, is told where it stands, and nothing else is."""
    assert look(text) == [said]


FINE = {
    "the same target, otherwise": (
        "models: {m: {chain: [{target: o/gpt-image-2, unsupported: error}, f/fal-ai/flux/dev, o/gpt-image-2]}}\n"
    ),
    "no fallback, but one that can more": "models: {m: {fallback_on: [], chain: [f/fal-ai/flux/dev, o/gpt-image-2]}}\n",
    "no fallback, but turns": (
        "models: {m: {fallback_on: [], order: round_robin, chain: [o/gpt-image-2, f/fal-ai/flux/dev]}}\n"
    ),
    "weights": "models: {m: {order: weight_based, chain: [{target: o/a, weight: 3}, f/fal-ai/flux/dev]}}\n",
    "wildcards from narrow to wide": "models: {a/b/*: {chain: [f/*]}, a/*: {chain: [o/*]}, a/b: {chain: [o/a, f/x]}}\n",
    "one model by two spellings": "models: {gpt-image-2: {aliases: [openai/gpt-image-2], chain: [o/a, f/x]}}\n",
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_has_its_use_is_not_warned_of(look: Look, text: str) -> None:
    """A chain that does what it says gives no warning."""
    assert look(text) == []


SHARED = {
    "one account": (
        "{o: {kind: openai, api_key: k}}",
        "[o/a, o/b]",
        "every target is at one account, 'o': its limits, bill and key are the whole chain's",
    ),
    "one account under two names": (
        "{o: {kind: openai, api_key: k}, p: {kind: openai, api_key: k}}",
        "[o/a, p/a]",
        "every target is at one account: 'o' and 'p' have the same key",
    ),
    "one host": (
        "{o: {kind: openai, api_key: k}, p: {kind: openai, api_key: l}}",
        "[o/a, p/a]",
        "every target is at one host, 'api.openai.com': where it is down, so is the chain",
    ),
}


@pytest.mark.parametrize(("accounts", "chain", "said"), SHARED.values(), ids=SHARED)
def test_a_chain_that_falls_together_is_told(look: Look, accounts: str, chain: str, said: str) -> None:
    """Several targets help little where one account or one host is behind all of them; no key is shown."""
    hints = look(f"models: {{m: {{chain: {chain}}}}}\n", Severity.HINT, f"providers: {accounts}\n")
    assert hints == [f"2:14: models.m.chain: {said}"]


def test_a_chain_of_several_accounts_is_not_one_account(look: Look) -> None:
    """Several keys of a provider are several accounts, and a chain of one target has no fallback to share."""
    accounts = "providers: {o: {kind: openai, api_keys: [k, l]}}\n"
    assert look("models: {m: {chain: [o/a, o/b]}, n: {chain: [o/a]}}\n", Severity.HINT, accounts) == []


def test_a_promise_that_no_target_keeps_is_a_hint(look: Look) -> None:
    """A known name whose chain lacks one of its operations is told, as callers would get an error."""
    kept = look("models: {dall-e-2: {chain: [f/fal-ai/flux/schnell, o/dall-e-9]}}\n", Severity.HINT)
    assert not any("promises" in hint for hint in kept)
    broken = look("models: {dall-e-2: {chain: [f/fal-ai/flux/schnell]}}\n", Severity.HINT)
    assert "4:10: models.dall-e-2: the name promises edit, which no target of the chain can" in broken


def test_idle_accounts_and_keys_are_told(look: Look) -> None:
    """A provider that no chain uses is a hint; a key whose models do not exist, a warning."""
    text = "server: {keys: [{name: ci, key: secret-key, models: [n]}]}\nmodels: {m: {chain: [o/a]}}\n"
    assert look(text, Severity.HINT) == ["3:3: providers.f: no chain uses it"]
    (warning,) = look(text)
    assert warning.startswith("4:54: server.keys[0].models[0]: 'n' matches no model")


def test_every_target_is_told_with_what_it_can_do() -> None:
    """Below each chain stand its targets: operations, input pictures, masks, pictures a call, and their end."""
    lines = check(str(EXAMPLE)).stdout.splitlines()
    assert lines[0] == "posters: openai/dall-e-3 -> azure/gpt-image-2"
    assert lines[2] == (
        "  azure/gpt-image-2: generate, edit, variation by an edit; takes up to 16 pictures and a mask; "
        "transparent backgrounds; 10 a call; streams; retires on 2027-10-21"
    )


def test_a_wildcard_can_do_what_its_models_can(tmp_path: Path) -> None:
    """Of a target that is many models nothing is promised, and nothing found wrong."""
    file = tmp_path / "router.yaml"
    file.write_text(f"{ACCOUNTS}models: {{a/*: {{chain: [o/*, f/*]}}}}\n")
    done = check(str(file), "--strict")
    assert (done.exit_code, done.stdout.splitlines()[1]) == (0, "  o/*: whatever the model asked for can do")


def test_the_same_as_json() -> None:
    """`--json` prints the report as one document; findings are records of severity, place, message and remedy."""
    told = json.loads(check(str(EXAMPLE), "--json").stdout)
    assert told["day"] == "2026-11-21"
    assert [model["name"] for model in told["models"]] == ["posters", "logos", "banners"]
    assert told["models"][2]["chain"][0]["successor"] == "aws/stability.sd3-5-large-v1:0"
    assert told["findings"][0] == {
        "severity": "warning",
        "file": str(EXAMPLE),
        "line": 11,
        "column": 9,
        "where": "models.posters.chain[0]",
        "message": "'openai/dall-e-3' is retired since 2026-05-12",
        "remedy": "its successor is 'openai/gpt-image-2', so write 'openai/gpt-image-2'",
        "write": "- openai/gpt-image-2 # the model of 2023",
    }


def test_mistakes_end_it_with_their_place(tmp_path: Path) -> None:
    """A file that cannot be used exits with 1, in words on stderr and in JSON with the same places."""
    file = tmp_path / "router.yaml"
    file.write_text("providers: {a: {kind: sketch, api_kye: x}}\nmodels: {m: {chain: [b/c]}}\n")
    done = check(str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{file}:1:31: providers.a: unknown key 'api_kye' (did you mean 'api_key'?)",
        f"{file}:2:22: models.m.chain[0]: no provider 'b': the providers are a",
    ]
    told = check(str(file), "--json")
    assert told.exit_code == 1
    found = json.loads(told.stdout)["findings"]
    assert [(each["severity"], each["line"], each["column"]) for each in found] == [("error", 1, 31), ("error", 2, 22)]


def test_a_wrong_command_exits_with_two() -> None:
    """Without a file, or with a day that is none, it is the command that is wrong."""
    assert CliRunner().invoke(main, ["check"]).exit_code == 2
    assert CliRunner().invoke(main, ["check", str(EXAMPLE), "--on", "soon"]).exit_code == 2
