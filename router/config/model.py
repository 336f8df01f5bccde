"""The schema of the configuration. A key that is not here does not exist."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from providers.dialect import Shape
from router.config.admission import Admission
from router.config.allowance import Budget, Limits
from router.config.balance import Order
from router.config.health import Circuit, Cooldown, RetryBudget
from router.config.observing import Observing
from router.config.pictures import PartialResult, Resize
from router.config.policies import Overrides, Policies, Retry, RetryOverrides, merge
from router.config.prices import Dollars, ImagePrice, Price, TokenPrice
from router.config.replay import Idempotency
from router.config.serving import Serving
from router.config.values import (
    Address,
    Alias,
    Duration,
    FilePath,
    FilePaths,
    Filled,
    Kind,
    ModelName,
    Number,
    PictureSize,
    ProviderName,
    Record,
    Secret,
    Size,
    StorePlace,
    Switch,
    TargetName,
    Whole,
)

__all__ = [
    "ClientKey",
    "ModelSettings",
    "Overrides",
    "Params",
    "Policies",
    "ProviderSettings",
    "Retry",
    "RetryOverrides",
    "Secret",
    "Server",
    "Settings",
    "TargetPrice",
    "TargetSettings",
    "merge",
]


class ClientKey(Record):
    """One who may call."""

    name: Annotated[Filled, Field(description="Who it is, for logs.")]
    key: Annotated[
        Secret | None,
        Field(
            description="What the client sends as `Authorization: Bearer ...`; "
            "besides it, or instead of it, the keys of this name in `keys_file`.",
        ),
    ] = None
    plain: Annotated[
        Switch,
        Field(description="Whether `key` may stand in the file itself where other machines can reach the router."),
    ] = False
    models: Annotated[
        tuple[Filled, ...],
        Field(min_length=1, description="The models it may use; `*` stands for any text."),
    ] = ("*",)
    limits: Annotated[Limits, Field(description="How much it may ask for within a minute.")] = Limits()
    budget: Annotated[Budget | None, Field(description="What it may spend; without it, whatever it costs.")] = None
    dry_run: Annotated[
        Switch,
        Field(description="Whether it may send `dry_run`, and so see the requests that would go to the backends."),
    ] = False
    watch: Annotated[
        Switch,
        Field(description="Whether it sees everyone's requests, the chains and the configuration in the console."),
    ] = False


class Store(Record):
    """Where pictures wait that callers want as links."""

    url: Annotated[
        StorePlace | None,
        Field(
            description="A directory, or s3://bucket/prefix, gs://..., az://...; "
            "without it, a directory of the system's for temporary files.",
        ),
    ] = None
    options: Annotated[
        dict[str, Secret],
        Field(description="What the cloud's client needs, by its own names: keys, region."),
    ] = {}  # noqa: RUF012 - pydantic gives each its own
    lifetime: Annotated[Duration, Field(description="How long a link works.")] = 3600.0
    signing_keys: Annotated[
        tuple[Secret, ...],
        Field(
            description="What signs the links of a directory, the newest last; all are honoured. "
            "Without any, a key is made and kept in the directory.",
        ),
    ] = ()


class Server(Serving, Admission, Observing):
    """How the router listens, who may call and how much they may send."""

    host: Annotated[Filled, Field(description="The address to listen on; 0.0.0.0 is every interface.")] = "127.0.0.1"
    port: Annotated[
        int,
        Field(ge=0, le=65_535),
        Whole,
        Field(description="The port to listen on; 0 takes any free one."),
    ] = 8080
    keys: Annotated[
        tuple[ClientKey, ...],
        Field(description="Who may call. Without any, the router is open, and listens to this machine only."),
    ] = ()
    keys_file: Annotated[
        FilePath | None,
        Field(description="The file of the keys that `image-router keys` makes for the names in `keys`."),
    ] = None
    open: Annotated[
        Switch,
        Field(description="Listen to other machines although there are no keys: anyone who reaches it may spend."),
    ] = False
    disclose: Annotated[Switch, Field(description="Name targets, attempts and prices in responses.")] = True
    console: Annotated[Switch, Field(description="Serve the console at /console.")] = False
    console_prompts: Annotated[
        Switch,
        Field(description="Keep the prompts of the last requests in memory, and show them in the console."),
    ] = False
    default_model: Annotated[
        str | None,
        Field(description="The model of a /v1 request that names none; one of `models`."),
    ] = None
    max_body: Annotated[Size, Field(description="The largest body with uploads: 16 pictures of 50 MB.")] = 900 << 20
    max_json: Annotated[Size, Field(description="The largest JSON body.")] = 64 << 20
    max_form_text: Annotated[Size, Field(description="The longest text field of a form.")] = 1 << 20
    max_image: Annotated[Size, Field(description="The largest single picture.")] = 50_000_000
    store: Annotated[Store, Field(description="Where pictures wait that callers want as links.")] = Store()
    public_url: Annotated[
        Address | None,
        Field(description="The router's address as clients know it, for links; without it, the request's own host."),
    ] = None
    fetch_images: Annotated[
        Switch,
        Field(description="Fetch pictures that callers give as https addresses; public addresses only."),
    ] = False
    state: Annotated[
        Secret,
        Field(
            description="Where workers share what they know: `memory` for one process, sqlite:///path for the workers "
            "of one machine, redis://host:6379/0 for several machines.",
        ),
    ] = Secret("memory")
    reload_token: Annotated[
        Secret | None,
        Field(description="Who may `POST /-/reload`, as a bearer; without it there is no such path."),
    ] = None
    idempotency: Annotated[
        Idempotency,
        Field(description="Requests that carry an `Idempotency-Key`."),
    ] = Idempotency()
    spool_dir: Annotated[
        FilePath | None,
        Field(description="Where uploads wait on disk; without it, the system's directory for such files."),
    ] = None


class ProviderSettings(Record):
    """An account at a backend."""

    kind: Annotated[Kind, Field(description="The adapter: openai, azure, sketch, or the dotted name of a module.")]
    base_url: Annotated[Address | None, Field(description="Where the backend lives, if not at its usual place.")] = None
    api_key: Annotated[
        Secret | None,
        Field(description="The key of the account. Not needed at an address of your own that asks for none."),
    ] = None
    api_keys: Annotated[
        tuple[Secret, ...],
        Field(description="Several keys instead of one: requests take turns, and each cools down on its own."),
    ] = ()
    options: Annotated[
        dict[str, str],
        Field(description="What this kind of provider lets you set besides; `image-router providers` lists it."),
    ] = Field(default_factory=dict)
    workflows: Annotated[
        dict[Alias, FilePaths],
        Field(description="For `comfyui`: the graphs of each model, exported for its API, with slots: `{{prompt}}`."),
    ] = Field(default_factory=dict)
    connect_timeout: Annotated[
        Duration | None,
        Field(description="How long a connection may take to be made; else as in `defaults`."),
    ] = None
    pool_size: Annotated[
        int,
        Field(ge=1, le=65_536),
        Whole,
        Field(description="Connections to keep at most."),
    ] = 256
    transport: Annotated[
        Literal["pyreqwest", "httpx"],
        Field(description="The HTTP client: pyreqwest is the fast one, httpx the one that runs everywhere."),
    ] = "pyreqwest"
    ca_file: Annotated[
        FilePath | None,
        Field(description="Certificates to trust, in PEM, for a backend with a private authority."),
    ] = None
    circuit: Annotated[Circuit | None, Field(description="What differs here from `defaults.circuit`.")] = None
    cooldown: Annotated[Cooldown | None, Field(description="What differs here from `defaults.cooldown`.")] = None
    retry_budget: Annotated[
        RetryBudget | None,
        Field(description="What differs here from `defaults.retry_budget`."),
    ] = None
    link_life: Annotated[
        Duration | None,
        Field(description="How long the backend's links work; one that may end before ours is fetched and kept here."),
    ] = None
    insecure_links: Annotated[
        Switch,
        Field(description="Fetch pictures from plain http addresses too, where the backend gives such links."),
    ] = False
    send_traceparent: Annotated[
        Switch,
        Field(description="Tell the backend, by the header `traceparent`, which trace a call is part of."),
    ] = False


class TargetPrice(Record):
    """What a target costs, where the catalogue does not know or your contract differs."""

    image: Annotated[Dollars | None, Field(description="US dollars per picture.")] = None
    tokens: Annotated[TokenPrice | None, Field(description="US dollars per million tokens.")] = None

    @property
    def price(self) -> Price:
        """As the catalogue would state it."""
        images = () if self.image is None else (ImagePrice(usd=self.image),)
        return Price(tokens=self.tokens, images=images)


class TargetSettings(Overrides):
    """One member of a chain. Plain text `provider/model` is short for a mapping with only `target`."""

    target: Annotated[TargetName, Field(description="provider/model: a name from `providers`, and its model.")]
    like: Annotated[
        Filled | None,
        Field(description="The model this really is, where the backend's name for it is your own."),
    ] = None
    price: Annotated[TargetPrice | None, Field(description="What it costs, if not what the catalogue says.")] = None
    weight: Annotated[
        float,
        Field(gt=0, le=1000, description="Its share of the requests that begin here, where `order` is weight_based."),
        Number,
    ] = 1.0

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        """The model's name at the provider."""
        return self.target.partition("/")[2]


def _spelled_out(value: Any) -> Any:
    return {"target": value} if isinstance(value, str) else value


class Params(Record):
    """Parameters used where the client is silent."""

    size: PictureSize | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = None
    style: Literal["vivid", "natural"] | None = None
    background: Literal["auto", "opaque", "transparent"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100), Whole] | None = None
    moderation: Literal["auto", "low"] | None = None
    input_fidelity: Literal["high", "low"] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    seed: Annotated[int, Field(ge=0), Whole] | None = None
    negative_prompt: str | None = None
    guidance: Annotated[float, Field(ge=0), Number] | None = None
    steps: Annotated[int, Field(ge=1), Whole] | None = None
    strength: Annotated[float, Field(ge=0, le=1), Number] | None = None
    user: str | None = None
    safety_identifier: str | None = None

    def asked(self) -> dict[str, Any]:
        """By the names of `providers.dialect.PARAMETERS`, as if a client had asked; `size: auto` asks for nothing."""
        values = {name: value for name, value in self if value is not None}
        size = values.pop("size", "auto")
        if size != "auto":
            width, height = map(int, size.split("x"))
            values["shape"] = Shape(width, height)
        return values


class ModelSettings(Overrides):
    """A name that clients ask for, and who serves it."""

    chain: Annotated[
        tuple[
            Annotated[TargetSettings, BeforeValidator(_spelled_out, json_schema_input_type=str | TargetSettings)], ...
        ],
        Field(min_length=1, description="The targets in the order in which they are tried."),
    ]
    order: Annotated[
        Order,
        Field(
            description="Which target is asked first: `as_written`, or one drawn by its weight (`weight_based`), in "
            "turn (`round_robin`), or the fastest of late (`latency_based`). The others follow as written.",
        ),
    ] = Order.AS_WRITTEN
    exercise: Annotated[
        float,
        Field(
            ge=0,
            le=0.5,
            description="Share of the requests that ask the second target first, so that it is known to work.",
        ),
        Number,
    ] = 0.0
    aliases: Annotated[tuple[Alias, ...], Field(description="Other names of the same model.")] = ()
    params: Annotated[Params, Field(description="Parameters used where the client is silent.")] = Params()
    partial: Annotated[
        PartialResult,
        Field(description="`allow` hands over fewer pictures than asked, with a warning; `fail` makes that an error."),
    ] = PartialResult.ALLOW
    resize: Annotated[
        Resize,
        Field(
            description="Pixels that differ from those asked: `off` leaves them, `exact` stretches to them, "
            "`cover` fills them and cuts what stands over.",
        ),
    ] = Resize.OFF
    heartbeat: Annotated[
        Duration | None,
        Field(
            description="Send a blank this often while the caller waits, for proxies that cut silent connections; "
            "an error then comes with status 200.",
        ),
    ] = None
    unconstrained: Annotated[
        Switch,
        Field(description="Check no value against what the catalogue knows of the name; the targets decide."),
    ] = False


class Settings(Record):
    """The configuration of Image Router."""

    server: Annotated[Server, Field(description="How the router listens and who may call.")] = Server()
    defaults: Annotated[
        Policies, Field(description="Policies of every model; a model or target may override them.")
    ] = Policies()
    providers: Annotated[
        dict[ProviderName, ProviderSettings],
        Field(min_length=1, description="The accounts at backends, each under a name of your choice."),
    ]
    models: Annotated[
        dict[ModelName, ModelSettings],
        Field(min_length=1, description="What clients may ask for. `openai/*` stands for any model of that prefix."),
    ]
