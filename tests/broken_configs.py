"""Broken configs and every mistake the reader finds in them, as it is printed."""

from dataclasses import dataclass

REST = """
providers:
  openai: {kind: openai, api_key: k}
models:
  m: {chain: [openai/x]}
"""
BOMB = "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A text that is no config, and what is said of it after the file's name."""

    name: str
    text: str
    said: tuple[str, ...]


BROKEN = (
    Broken(
        "as in the design",
        """\
providers:
  bfl:
    kind: openai
    api_kye: x
models:
  flux-pro:
    timeout: 90
    chain:
      - bfl/flux-pro-1.1
      - blf/flux-pro-1.1
""",
        (
            "4:5: providers.bfl: unknown key 'api_kye' (did you mean 'api_key'?)",
            "7:14: models.flux-pro.timeout: expected a duration such as 500ms, 30s or 5m, not '90'",
            "10:9: models.flux-pro.chain[1]: no provider 'blf' (did you mean 'bfl'?)",
        ),
    ),
    Broken("empty", "# nothing\n", ("the file is empty: it must be keys and values, such as providers: and models:",)),
    Broken(
        "a list", "- a\n", ("the file is not a mapping: it must be keys and values, such as providers: and models:",)
    ),
    Broken("a tab", "server:\n\tport: 1\n", ("2:1: not valid YAML: a tab cannot indent: use spaces",)),
    Broken(
        "two colons",
        "server:\n  host: a: b\n",
        ("2:10: not valid YAML: a ':' where no key can stand: check the indentation, or put the text in quotes",),
    ),
    Broken(
        "a reference without quotes in braces",
        "providers:\n  openai: {kind: openai, api_key: ${KEY}}\n",
        ("2:36: not valid YAML: a ',' or a closing bracket is missing: inside {} and [], put ${...} in quotes",),
    ),
    Broken("an open quote", "server: {host: 'abc}\n", ("1:16: not valid YAML: a quote is never closed",)),
    Broken(
        "indentation",
        "server:\n    port: 1\n  host: a\n",
        ("3:3: not valid YAML: the indentation does not match the lines above",),
    ),
    Broken(
        "two documents",
        "server: {}\n---\nserver: {}\n",
        ("2:1: not valid YAML: only one document to a file: remove the '---'",),
    ),
    Broken(
        "an alias of nothing",
        "server: *nope\n",
        ("1:9: not valid YAML: an alias without its anchor: define it above with &",),
    ),
    Broken(
        "a control character",
        "server:\n  host: a\x07b\n",
        ("2:10: not valid YAML: a control character: remove it, or write it as an escape in double quotes",),
    ),
    Broken(
        "an escape of no character",
        'server: {host: "\\UFFFFFFFF"}\n',
        ("not valid YAML: an escape of no character: correct it",),
    ),
    Broken(
        "an alias bomb",
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + BOMB,
        ("1:35: more than 100000 values, its aliases filled in: use fewer",),
    ),
    Broken(
        "an anchor within itself",
        "server: &a {keys: [*a]}\n",
        ("1:9: an anchor that contains an alias of itself: remove the alias",),
    ),
    Broken("too deep", "a: " + "[" * 50 + "]" * 50 + "\n", ("1:43: nested more than 40 levels deep: make it flatter",)),
    Broken(
        "doubled keys",
        "server: {port: 1, port: 2}\nserver: {}\n" + REST,
        (
            "1:19: server: duplicate key 'port', first on line 1: keep one",
            "2:1: duplicate key 'server', first on line 1: keep one",
        ),
    ),
    Broken(
        "YAML 1.1",
        "server:\n  open: yes\n  port: 0777\n  host: 12:30\n  max_json: 1_000\n  max_body: 0x10\n" + REST,
        (
            "2:9: server.open: 'yes' is a boolean to some YAML readers: write true or false, or put it in quotes",
            "3:9: server.port: '0777' is octal to some YAML readers: drop the leading zero, or put it in quotes",
            "4:9: server.host: '12:30' is a number in base 60 to some YAML readers: put it in quotes",
            "5:13: server.max_json: '1_000' is a number to some YAML readers: drop the '_', or put it in quotes",
            "6:13: server.max_body: '0x10' is a number to some YAML readers: write it in decimal, or put it in quotes",
        ),
    ),
    Broken(
        "tags",
        "server: {host: !env HOST, port: !!int '1'}\n" + REST,
        (
            "1:16: server.host: the tag '!env' is not supported: write the plain value",
            "1:33: server.port: the tag '!!int' is not supported: write the plain value",
        ),
    ),
    Broken(
        "a merge of no mapping, a key that is a list",
        "server:\n  <<: [1]\n  ? [a]\n  : 1\n" + REST,
        (
            "2:7: server: only a mapping can be merged with <<: write <<: *anchor",
            "3:5: server: a key must be a word: put it in quotes",
        ),
    ),
    Broken(
        "values of a server",
        "server: {port: http, disclose: 1, max_json: 64, keys: {}, host: 5, max_image: 0B, max_body: }\n" + REST,
        (
            "1:16: server.port: expected a whole number, not 'http'",
            "1:32: server.disclose: expected true or false, not '1'",
            "1:45: server.max_json: expected a size such as 64KiB, 50MB or 1GiB, not '64'",
            "1:55: server.keys: expected a list, not keys and values",
            "1:65: server.host: expected text, not '5': put it in quotes",
            "1:79: server.max_image: expected a size of at least 1B, not '0B'",
            "1:92: server.max_body: expected a size such as 64KiB, 50MB or 1GiB, not nothing",
        ),
    ),
    Broken(
        "policies",
        "defaults:\n"
        "  {timeout: -5s, attempt_timeout: 0s, connect_timeout: 25h, unsupported: adpat, max_billable_attempts: 0,\n"
        "   retry: {count: 9, on_codes: [429, 42], backof: 1s}, fallback_on: [timeot], caller_backoff: [1s]}\n" + REST,
        (
            "2:13: defaults.timeout: expected a duration such as 500ms, 30s or 5m, not '-5s'",
            "2:35: defaults.attempt_timeout: expected a duration longer than nothing, not '0s'",
            "2:56: defaults.connect_timeout: expected a duration of at most 24h, not '25h'",
            "2:74: defaults.unsupported: expected adapt, drop or error, not 'adpat' (did you mean 'adapt'?)",
            "2:104: defaults.max_billable_attempts: must be at least 1, not '0'",
            "3:19: defaults.retry.count: must be at most 5, not '9'",
            "3:38: defaults.retry.on_codes[1]: must be at least 100, not '42'",
            "3:43: defaults.retry: unknown key 'backof' (did you mean 'backoff'?)",
            (
                "3:70: defaults.fallback_on[0]: expected invalid_request, unsupported, content_policy, authentication, "
                "quota, rate_limited, unavailable, timeout or bad_response, not 'timeot' (did you mean 'timeout'?)"
            ),
            "3:95: defaults.caller_backoff: expected a duration such as 500ms, 30s or 5m, not a list",
        ),
    ),
    Broken(
        "nothing to serve",
        "server:\nproviders: {}\nmodels: []\nmodel: {}\n",
        (
            "1:8: server: expected keys and values, not nothing",
            "2:12: providers: is empty: it needs at least one entry",
            "3:9: models: expected keys and values, not a list",
            "4:1: unknown key 'model' (did you mean 'models'?)",
        ),
    ),
    Broken(
        "words that would break a line",
        'server: {host: ["a"], "po\\nrt": 1}\n' + REST.replace("chain: [openai/x]", 'chain: ["a\\nb/x"]'),
        (
            "1:16: server.host: expected text, not a list",
            "1:23: server: unknown key 'po?rt' (did you mean 'port'?)",
            "6:15: models.m.chain[0]: no provider 'a?b': the providers are openai",
        ),
    ),
    Broken("no models", "providers:\n  openai: {kind: openai}\n", ("1:1: the key 'models' is missing: add it",)),
    Broken(
        "client keys",
        """\
server:
  default_model: mm
  keys:
    - {name: a, key: 12345}
    - {name: b, key: same}
    - {name: b, key: other}
    - {name: c, key: same, models: []}
    - {key: " k"}
"""
        + REST,
        (
            "2:18: server.default_model: no model 'mm' (did you mean 'm'?)",
            (
                '4:22: server.keys[0].key: expected a key, such as "${NAME}" or "${file:PATH}"; '
                "a key of digits needs quotes"
            ),
            "6:14: server.keys[2].name: 'b' already names another key: choose another name",
            "7:22: server.keys[3].key: the same key as that of 'b': give each client its own",
            "7:36: server.keys[3].models: is empty: it needs at least one entry",
            "8:7: server.keys[4]: the key 'name' is missing: add it",
            (
                "8:13: server.keys[4].key: the key holds spaces at its ends, line breaks or characters that no key "
                "has: check where it comes from"
            ),
        ),
    ),
    Broken(
        "references",
        """\
server: {host: "${HO-ST}", port: "${PORT}", spool_dir: "${open"}
providers:
  openai: {kind: openai, api_key: "${NOT_SET}"}
  other: {kind: openai, api_key: "${file:no/such}"}
  azure: {kind: azure, base_url: "https://${EMPTY}", api_key: k}
models:
  m: {chain: [openai/x, other/x, azure/x]}
""",
        (
            (
                "1:16: server.host: '${HO-ST}' is no reference: "
                "write ${NAME}, ${NAME:-default} or ${file:PATH}, and $$ for a dollar"
            ),
            "1:34: server.port: expected a whole number, not '${PORT}'",
            (
                "1:56: server.spool_dir: '${open' is no reference: "
                "write ${NAME}, ${NAME:-default} or ${file:PATH}, and $$ for a dollar"
            ),
            (
                "3:35: providers.openai.api_key: the environment variable 'NOT_SET' is not set, "
                "and model 'm' uses this provider: set it, or give a default as in ${NOT_SET:-default}"
            ),
            (
                "4:34: providers.other.api_key: the file 'no/such' cannot be read (No such file or directory), "
                "and model 'm' uses this provider: create it, or correct the path"
            ),
            (
                "5:34: providers.azure.base_url: the environment variable 'EMPTY' is empty: "
                "set it, or give a default as in ${EMPTY:-default}"
            ),
        ),
    ),
    Broken(
        "providers",
        """\
providers:
  a: {kind: opena}
  b: {kind: azure, api_key: k}
  c: {kind: azure, base_url: https://x}
  d: {kind: openai, base_url: ftp://x, api_key: k, transport: curl, pool_size: 0}
  e: {kind: openai, base_url: "http://user:password@x"}
  f: {kind: openai, base_url: "http://x/v1?a=b"}
  g: {kind: openai, api_key: k, options: {projekt: x, organization: 1}, ca_file: none.pem}
  h/i: {kind: openai}
  j: {kind: "no such"}
  l: {kind: no.such.module}
  k: {kind: sketch, base_url: "http://x", api_key: k}
models:
  m: {chain: [a/x, b/x, c/x, k/sketch]}
""",
        (
            "2:13: providers.a.kind: no kind 'opena' (did you mean 'openai'?)",
            "3:3: providers.b: kind 'azure' has no usual address: add 'base_url'",
            "4:3: providers.c: kind 'azure' needs a key, and model 'm' uses it: add 'api_key'",
            "5:31: providers.d.base_url: expected an address such as https://images.internal:8000/v1, not 'ftp://x'",
            "5:63: providers.d.transport: expected pyreqwest or httpx, not 'curl'",
            "5:80: providers.d.pool_size: must be at least 1, not '0'",
            "6:31: providers.e.base_url: an address holds no name or password: put the key in api_key",
            "7:31: providers.f.base_url: an address ends with its path: leave out what follows ? or #",
            "8:43: providers.g.options.projekt: kind 'openai' has no option 'projekt' (did you mean 'project'?)",
            "8:69: providers.g.options.organization: expected text, not '1': put it in quotes",
            "8:82: providers.g.ca_file: no such file: name one with certificates in PEM",
            "9:3: providers: expected a provider's name of letters, digits, '.', '_' and '-', not 'h/i'",
            "10:13: providers.j.kind: expected a kind such as openai, or the dotted name of a module, not 'no such'",
            (
                "11:13: providers.l.kind: kind 'no.such.module' cannot be imported: No module named 'no'; "
                "install the module that holds it"
            ),
            "12:31: providers.k.base_url: kind 'sketch' draws inside the router and has no address: remove it",
            "12:52: providers.k.api_key: kind 'sketch' takes no key: remove it",
        ),
    ),
    Broken(
        "chains",
        REST
        + """\
  n: {chain: [{target: openai/x, like: x}, {target: "openai/*", price: {}, like: y}, "openai/*y", openai]}
  o: {chain: [openai/gpt-image-2, {target: openai/x, prise: 1}, {like: x}, [openai/x]]}
  p: {chain: []}
  q: {unsupported: drop}
  "a b": {chain: [openai/x]}
  "*": {chain: [openai/x]}
""",
        (
            "6:40: models.n.chain[0].like: 'x' is the target's own model: remove it",
            (
                "6:44: models.n.chain[1]: 'openai/*' needs a wildcard for its model's name, such as 'openai/*': "
                "name one model of the provider"
            ),
            "6:72: models.n.chain[1].price: a price of nothing: add 'image' or 'tokens', or remove it",
            "6:82: models.n.chain[1].like: a wildcard target is many models, so it is like no single one: remove it",
            "6:86: models.n.chain[2]: expected provider/model, such as openai/gpt-image-2, not 'openai/*y'",
            "6:99: models.n.chain[3]: expected provider/model, such as openai/gpt-image-2, not 'openai'",
            "7:54: models.o.chain[1]: unknown key 'prise' (did you mean 'price'?)",
            "7:65: models.o.chain[2]: the key 'target' is missing: add it",
            "7:76: models.o.chain[3]: expected keys and values, not a list",
            "8:14: models.p.chain: is empty: it needs at least one entry",
            "9:3: models.q: the key 'chain' is missing: add it",
            "10:3: models: expected a model's name without spaces, or a wildcard such as openai/*, not 'a b'",
            "11:3: models: expected a model's name without spaces, or a wildcard such as openai/*, not '*'",
        ),
    ),
    Broken(
        "names",
        "server: {default_model: w/*}\n"
        + REST
        + """\
  n: {chain: [openai/x], aliases: [m, o, o, "x*"]}
  o: {chain: [openai/x], aliases: [p]}
  "w/*": {chain: [openai/x], aliases: [z]}
""",
        (
            "1:25: server.default_model: a wildcard is no single model: name one of 'models'",
            "7:36: models.n.aliases[0]: 'm' is already a model: choose another",
            "7:39: models.n.aliases[1]: 'o' is already a model: choose another",
            "7:42: models.n.aliases[2]: 'o' is already a model: choose another",
            "7:45: models.n.aliases[3]: expected a name without spaces and without '*', not 'x*'",
            (
                "9:18: models.w/*.chain: a wildcard whose chain serves one model only: "
                "write a target such as openai/*, or name the model"
            ),
            "9:39: models.w/*.aliases: a wildcard stands for many models, so it can have no aliases: remove them",
        ),
    ),
    Broken(
        "a picture store",
        "server:\n  store: {url: ftp://host, lifetime: 30s, options: {key: 1}, signing_keys: [short]}\n" + REST,
        (
            (
                "2:16: server.store.url: expected a directory, or a bucket such as s3://bucket/prefix, gs://bucket or "
                "az://container, not 'ftp://host'"
            ),
            "2:38: server.store.lifetime: a link that ends within a minute helps nobody: give it 1m or more",
            (
                '2:58: server.store.options.key: expected a key, such as "${NAME}" or "${file:PATH}"; '
                "a key of digits needs quotes"
            ),
            "2:77: server.store.signing_keys[0]: can be guessed: give it 16 characters or more",
        ),
    ),
    Broken(
        "a bucket with its key",
        "server: {store: {url: s3://name:key@bucket}}\n" + REST,
        ("1:23: server.store.url: a bucket's address holds no key: put it in options",),
    ),
    Broken(
        "options of a directory",
        "server: {store: {url: pictures, options: {region: here}}}\n" + REST,
        ("1:42: server.store.options: a directory has no options: remove them, or name a bucket in 'url'",),
    ),
    Broken(
        "default parameters",
        """\
providers: {openai: {kind: openai, api_key: k}}
models:
  m:
    chain: [openai/gpt-image-2, {target: openai/mine, like: gpt-image-1}]
    params: {style: vivid, quality: best, size: 1000, seed: 1, output_compression: 101}
  n: {chain: [openai/gpt-image-2], params: {size: 10x, shape: 1x1}}
""",
        (
            "5:21: models.m.params.style: no target of the chain has a style: remove it, or add a target that does",
            "5:37: models.m.params.quality: expected auto, low, medium, high, xhigh, max, standard or hd, not 'best'",
            "5:49: models.m.params.size: expected text, not '1000': put it in quotes",
            "5:61: models.m.params.seed: no target of the chain has a seed: remove it, or add a target that does",
            "5:84: models.m.params.output_compression: must be at most 100, not '101'",
            "6:51: models.n.params.size: expected a picture's size such as 1024x1024, or auto, not '10x'",
            (
                "6:56: models.n.params: unknown key 'shape': the keys here are size, quality, style, background, "
                "output_format, output_compression, moderation, input_fidelity, response_format, seed, "
                "negative_prompt, guidance, steps, strength, user, safety_identifier"
            ),
        ),
    ),
)
