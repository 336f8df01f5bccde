"""Costs: who spends what on which pictures, and what is wasted."""

from grafana.src.panels import Color, Dashboard, Kind, Panel, Query, number
from grafana.src.promql import MODEL, TARGET, each, grown, least, per_hour, per_minute, rate, series, share, total

SPENT = total(grown("cost_usd_total", MODEL, TARGET))
WASTED = total(grown("cost_wasted_usd_total", TARGET))

COSTS = Dashboard(
    "costs",
    "Costs",
    "Who spends what on which pictures, what is wasted on failures, and how much is left.",
    (
        number(
            "How much was spent?",
            "In the time looked at, as far as prices are known. Set `price` where the catalogue knows none.",
            "currencyUSD",
            SPENT,
        ),
        number(
            "What does a picture cost?",
            "What was spent, by pictures delivered. It grows with size and quality, and with failures that are billed.",
            "currencyUSD",
            f"{SPENT} / ({total(grown('images_total', MODEL, TARGET))} > 0)",
        ),
        number(
            "How much was wasted?",
            "Attempts that failed and were billed, or may have been: an estimate by the catalogue's prices.",
            "currencyUSD",
            f"{WASTED} or vector(0)",
            (0, Color.GOOD),
            (1, Color.DOUBTFUL),
        ),
        number(
            "Which share was wasted?",
            "Above 5 %: raise the `attempt_timeout` of the target on top of 'Where is money wasted?', or lower "
            "`max_billable_attempts`.",
            "percentunit",
            f"{share(WASTED, SPENT)}",
            (0, Color.GOOD),
            (0.02, Color.DOUBTFUL),
            (0.05, Color.BAD),
        ),
        number(
            "How much is left of the smallest budget?",
            "At 0 that group gets 402. Raise `budget` in the config, or wait for its period to end.",
            "currencyUSD",
            least(series("budget_remaining_dollars")),
            (0, Color.BAD),
            (1, Color.DOUBTFUL),
            (10, Color.GOOD),
        ),
        number(
            "Which share does the cache answer?",
            "Of the requests that agree to a cached answer. Each is a picture that nobody paid for.",
            "percentunit",
            share(total(grown("cache_total", 'result="hit"')), total(grown("cache_total"))),
        ),
        Panel(
            title="Who spends?",
            text="US dollars per hour by the keys' names in the config. A group that grows overnight: ask it, then "
            "limit it by `limits` or `budget`.",
            unit="currencyUSD",
            queries=(Query(each(per_hour, "cost_usd_total", MODEL, TARGET, by=("group",)), "{{group}}"),),
            stacked=True,
        ),
        Panel(
            title="Which models cost the most?",
            text="US dollars per hour by model. Put a cheaper target first in its chain, or set `quality` in `params`.",
            unit="currencyUSD",
            queries=(Query(each(per_hour, "cost_usd_total", MODEL, TARGET, by=("model",)), "{{model}}"),),
            stacked=True,
        ),
        Panel(
            title="Where does the money go?",
            text="US dollars per hour by target: compare with the backends' bills. A fallback that costs more than the "
            "primary shows here first.",
            unit="currencyUSD",
            queries=(Query(each(per_hour, "cost_usd_total", MODEL, TARGET, by=("target",)), "{{target}}"),),
            stacked=True,
        ),
        Panel(
            title="Where is money wasted?",
            text="US dollars per hour for attempts that gave nothing. The target's own time-outs come first to mind.",
            unit="currencyUSD",
            queries=(Query(each(per_hour, "cost_wasted_usd_total", TARGET, by=("target",)), "{{target}}"),),
            stacked=True,
        ),
        Panel(
            title="Which sizes and qualities are asked for?",
            text="Pictures asked per minute by model, size tier and quality; `auto` is left to the model's "
            "`params`, or else to the backend. Large and high is dear: are they needed?",
            unit="short",
            queries=(
                Query(
                    each(per_minute, "images_asked_total", MODEL, by=("model", "size", "quality")),
                    "{{model}} {{size}} {{quality}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="Which sizes and qualities are delivered?",
            text="Pictures per minute by model, size tier and quality. Other sizes than were asked for: the target "
            "draws no others; set `resize` where the pixels matter.",
            unit="short",
            queries=(
                Query(
                    each(per_minute, "images_total", MODEL, TARGET, by=("model", "size", "quality")),
                    "{{model}} {{size}} {{quality}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="What do sizes and qualities cost?",
            text="US dollars per hour for pictures delivered, by size tier and quality. If the largest take most of "
            "the money, ask whether smaller ones would do.",
            unit="currencyUSD",
            queries=(
                Query(each(per_hour, "picture_cost_usd_total", MODEL, by=("size", "quality")), "{{size}} {{quality}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="Who spent how much on what?",
            text="For the bill: each group, model and target, in the time looked at.",
            unit="currencyUSD",
            kind=Kind.TABLE,
            queries=(
                Query(
                    f"sort_desc({total(grown('cost_usd_total', MODEL, TARGET), 'group', 'model', 'target')} > 0)",
                    "Spent",
                ),
            ),
        ),
        Panel(
            title="How much of each budget is left?",
            text="US dollars by group, as the router last saw it. It rises when a period begins, and when what was set "
            "aside for a request is given back.",
            unit="currencyUSD",
            queries=(Query(least(series("budget_remaining_dollars"), "group"), "{{group}}"),),
        ),
        Panel(
            title="How many tokens are used?",
            text="Tokens per second by direction and modality, as backends count them. Image input grows with edits, "
            "image output with size and quality.",
            unit="short",
            queries=(
                Query(each(rate, "tokens_total", TARGET, by=("direction", "modality")), "{{direction}} {{modality}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="What does the cache do?",
            text="Requests per minute that agree to a cached answer. Few hits: prompts differ each time, or `ttl` is "
            "too short.",
            unit="short",
            width=24,
            height=6,
            queries=(Query(each(per_minute, "cache_total", by=("result",)), "{{result}}"),),
            stacked=True,
        ),
    ),
)
