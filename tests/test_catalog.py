"""The catalogue: what is known of models, and what is said of a catalogue that is wrong."""

import json
from datetime import date

import pytest

from providers.base import Operation
from router import shipped
from router.catalog import CatalogFile, load_catalog
from router.config.load import ConfigError
from router.config.schema import schema

OPENAI = (
    *("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-1.5-2025-12-16"),
    *("gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"),
    *("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08", "gpt-image-2.6-sunburst", "gpt-image-2.6-flare"),
    "chatgpt-image-latest",
)


@pytest.fixture(scope="module")
def catalog():
    """The shipped catalogue."""
    return load_catalog()


def test_every_openai_model_is_known_by_both_names(catalog):
    """An OpenAI model is found by its canonical name and by its bare one, others by the first alone."""
    for name in OPENAI:
        assert catalog.entry(name) is catalog.entry(f"openai/{name}") is not None
    assert catalog.entry("gpt-image-9") is None
    assert catalog.entry("stability/sketch") is not None
    assert catalog.entry("sketch") is None  # another maker's bare name promises nothing to who uses it for a model
    assert catalog.entry("azure/gpt-image-2") is not catalog.entry("gpt-image-2")


def test_dall_e_keeps_its_rules(catalog):
    """The retired models' promises are those of the contract."""
    two, three = catalog.entry("dall-e-2"), catalog.entry("dall-e-3")
    assert two.operations == frozenset(Operation)
    assert (two.sizes, two.default_size) == (("256x256", "512x512", "1024x1024"), "1024x1024")
    assert (two.prompt_max, two.n_max, two.max_images, two.square_input, two.mask) == (1000, 10, 1, True, True)
    assert two.input_types == {"image/png"}
    assert three.operations == {Operation.GENERATE}
    assert (three.prompt_max, three.n_max, three.max_images) == (4000, 1, 0)
    assert (three.qualities, three.styles, three.default_style) == (("standard", "hd"), ("vivid", "natural"), "vivid")
    assert two.links
    assert three.links
    assert three.output_formats == three.backgrounds == three.moderations == ()


def test_gpt_image_keeps_its_rules(catalog):
    """Every GPT image model makes and edits, up to ten of prompts up to 32000, and never answers with links."""
    for name in OPENAI[2:]:
        entry = catalog.entry(name)
        assert entry.operations == {Operation.GENERATE, Operation.EDIT}
        assert (entry.default_size, entry.default_quality, entry.n_max, entry.prompt_max) == (
            "auto",
            "auto",
            10,
            32_000,
        )
        assert (entry.stream, entry.links, entry.max_images, entry.mask, entry.styles) == (True, False, 16, True, ())
        newer = name.startswith("gpt-image-2")
        assert (entry.size_rule is not None) is newer
        assert ("xhigh" in entry.qualities) is name.startswith(("gpt-image-2.5", "gpt-image-2.6"))
        assert not (newer and entry.input_fidelities)
    assert catalog.entry("gpt-image-1").input_fidelities == ("high", "low")
    assert catalog.entry("gpt-image-1-mini").input_fidelities == ("low",)


def test_prices_depend_on_where_a_model_is_bought(catalog):
    """A price is that of the provider's kind; unknown is none, not nothing."""
    assert catalog.price("openai", "dall-e-3").images[0].usd == 0.040
    assert catalog.price("azure", "dall-e-3").images[0].usd == 0.044
    assert catalog.price("azure", "gpt-image-2").tokens.image_out == 30
    assert catalog.price("fal", "fal-ai/flux/schnell").images[0].usd == 0.003
    assert catalog.price("bedrock", "amazon.nova-canvas-v1:0").images[0].usd == 0.06
    assert catalog.price("azure", "gpt-image-2.6-flare") is None
    assert catalog.price("google", "imagen-4.0-generate-001") is None
    assert catalog.price("openai", "img-prod") is None


def test_retirement_depends_on_where_a_model_is_bought(catalog):
    """Azure's dates are its own; every retiring model of OpenAI names a successor that does not retire."""
    assert catalog.backend("openai", "gpt-image-1.5").retires == date(2026, 12, 1)
    assert catalog.backend("azure", "gpt-image-1.5").retires == date(2026, 12, 16)
    assert catalog.backend("azure", "dall-e-3").retires == date(2026, 5, 12)
    assert catalog.backend("azure", "img-prod") is None
    for name in OPENAI:
        entry = catalog.entry(name)
        assert (entry.retires is None) is (entry.successor is None)
        assert entry.successor is None or catalog.entry(entry.successor).retires is None


def test_other_makers_models_are_checked_by_type_only(catalog):
    """What is not known well enough to promise is left to the backend."""
    others = [entry for entry in catalog.entries.values() if entry.owner != "openai"]
    assert len(others) > 50
    assert all(entry.unconstrained for entry in others)


def test_the_schema_of_the_catalogue_is_fresh():
    """`config/catalog/schema.json` describes the records that are read."""
    assert json.loads(shipped.path("catalog/schema.json").read_text()) == schema(CatalogFile)


def test_a_wrong_catalogue_is_refused_with_every_mistake(tmp_path):
    """Mistakes of all files are told at once, in the form of the config's."""
    (tmp_path / "a.yaml").write_text(
        """\
models:
  - {id: a/x, size: [1x1], default_quality: high}
  - {id: a/y, operations: [draw], retires: soon, n_max: ten, prices: {openai: {images: [{usd: -1}]}}}
  - {id: a/z, successor: b/yy, default_size: 1x1}
  - {id: nobody}
""",
    )
    (tmp_path / "b.yaml").write_text("models:\n  - {id: b/y}\n  - {id: a/x}\n")
    (tmp_path / "c.yaml").write_text("models: [\n")
    with pytest.raises(ConfigError) as refused:
        load_catalog(tmp_path)
    assert [str(mistake).removeprefix(f"{tmp_path}/") for mistake in refused.value.mistakes] == [
        "a.yaml:2:5: models[0]: the default quality 'high' is not among its qualities: add it",
        "a.yaml:2:15: models[0]: unknown key 'size' (did you mean 'sizes'?)",
        "a.yaml:3:28: models[1].operations[0]: expected generate, edit or variation, not 'draw'",
        "a.yaml:3:44: models[1].retires: expected a date such as 2026-12-31, not 'soon'",
        "a.yaml:3:57: models[1].n_max: expected a whole number, not 'ten'",
        "a.yaml:3:95: models[1].prices.openai.images[0].usd: must be at least 0, not '-1'",
        "a.yaml:4:5: models[2]: the default size '1x1' is not among its sizes: add it",
        "a.yaml:4:5: models[2]: the successor 'b/yy' is not in the catalogue (did you mean 'b/y'?)",
        "a.yaml:5:5: models[3]: 'nobody' names no owner: write owner/model",
        "b.yaml:3:5: models[1]: 'a/x' is in the catalogue twice: keep one",
        "c.yaml:2:1: not valid YAML: check quotes, brackets and indentation here",
    ]


def test_a_directory_without_a_catalogue_is_named(tmp_path):
    """An empty directory is a mistake, not an empty catalogue."""
    with pytest.raises(ConfigError, match="no catalogue: the directory holds no"):
        load_catalog(tmp_path)
