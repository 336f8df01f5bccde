"""Config and models: what runs where, and what will end."""

from grafana.src.panels import Color, Dashboard, Kind, Panel, Query, number
from grafana.src.promql import MODEL, TARGET, days_until, least, most, series, total

MODEL_ENDS = series("model_retires_timestamp_seconds", MODEL)
TARGET_ENDS = series("target_retires_timestamp_seconds", TARGET)
DAYS = ((0, Color.BAD), (30, Color.DOUBTFUL), (90, Color.GOOD))

CONFIG = Dashboard(
    "config",
    "Config and models",
    "Which configuration and version run where, and which models will end.",
    (
        number(
            "Is the config on disk sound?",
            "No: the last reload was refused and the config before it is served. `image-router check` names every "
            "mistake, and so does the log.",
            "bool_yes_no",
            least(series("config_last_reload_successful")),
            (0, Color.BAD),
            (1, Color.GOOD),
        ),
        number(
            "When was a config last taken up?",
            "By the process that took it up first. If it is older than your last edit, the edit has not arrived.",
            "dateTimeFromNow",
            f"1000 * {least(series('config_last_reload_success_timestamp_seconds'))}",
        ),
        number(
            "How many different configs run?",
            "More than one for longer than a roll-out: an instance did not get the file, or refused it.",
            "short",
            f'count(count_values("hash", {series("config_hash")}))',
            (0, Color.GOOD),
            (2, Color.BAD),
        ),
        number(
            "Does the file differ from what runs?",
            "Yes: the file on disk is not what is served. It was refused, or reloading is off and SIGHUP is due.",
            "bool_yes_no",
            most(series("config_disk_differs")),
            (0, Color.GOOD),
            (1, Color.DOUBTFUL),
        ),
        number(
            "How many days until the next model ends?",
            "Below 30: replace it in its chains; `image-router check` proposes a successor.",
            "d",
            days_until(least(f"{TARGET_ENDS} or {MODEL_ENDS}")),
            *DAYS,
        ),
        number(
            "How many instances are there?",
            "That Prometheus reaches. Fewer than you started: see the orchestrator.",
            "short",
            f"count({total(series('build_info'), 'instance')})",
        ),
        Panel(
            title="When did the config change?",
            text="The config that each instance runs: a new colour is a new config. All should change together.",
            unit="short",
            kind=Kind.STATES,
            width=24,
            height=4,
            queries=(Query(most(series("config_hash"), "instance"), "{{instance}}"),),
        ),
        Panel(
            title="When was a reload refused?",
            text="A config with a mistake was put on disk and was not taken up. The log tells every mistake.",
            unit="short",
            kind=Kind.STATES,
            height=5,
            queries=(Query(least(series("config_last_reload_successful"), "instance"), "{{instance}}"),),
            names={0: ("refused", Color.BAD), 1: ("taken up", Color.GOOD)},
        ),
        Panel(
            title="Which version runs where?",
            text="More than one version for longer than a roll-out: an instance was forgotten.",
            unit="short",
            kind=Kind.TABLE,
            height=5,
            queries=(Query(most(series("build_info"), "version", "instance"), "Runs"),),
        ),
        Panel(
            title="Which models of yours will end?",
            text="Days until a model's name, or the first of its targets, is retired; negative afterwards. Clients "
            "are told by `x-router-model-retires`: move them to the successor that `image-router check` names.",
            unit="d",
            kind=Kind.TABLE,
            queries=(Query(f"sort({days_until(least(MODEL_ENDS, 'model'))})", "Days"),),
            steps=DAYS,
        ),
        Panel(
            title="Which targets will end?",
            text="Days until the backend retires the model. Put its successor before it in the chain.",
            unit="d",
            kind=Kind.TABLE,
            queries=(Query(f"sort({days_until(least(TARGET_ENDS, 'target'))})", "Days"),),
            steps=DAYS,
        ),
    ),
)
