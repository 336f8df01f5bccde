"""Reliability: what failed, what saved it, and what it may have cost."""

from grafana.src.panels import Color, Dashboard, Kind, Panel, Query, number
from grafana.src.promql import (
    FAILED,
    MODEL,
    TARGET,
    counted,
    each,
    grown,
    least,
    most,
    per_minute,
    quantile,
    series,
    share,
    total,
)

REQUESTS = total(grown("requests_total", MODEL))
BURN = 'image_router:request_errors:ratio_rate{window}{{job=~"$job"}} / 0.01'

RELIABILITY = Dashboard(
    "reliability",
    "Reliability",
    "What failed, what saved it, what it may have cost, and whether what the router stands on holds.",
    (
        number(
            "How much of the error budget is gone?",
            "Of the 1 % of requests that may fail, in the time looked at. Above 100 % the objective is missed: change "
            "nothing else until the cause is found.",
            "percentunit",
            f"{share(total(grown('requests_total', MODEL, FAILED)), REQUESTS)} / 0.01",
            (0, Color.GOOD),
            (0.5, Color.DOUBTFUL),
            (1, Color.BAD),
        ),
        number(
            "How many requests were saved by a fallback or a retry?",
            "Moves and repetitions, in the time looked at. Many: users notice nothing yet, but the first target of a "
            "chain does not deserve its place.",
            "short",
            f"({counted('fallbacks_total', MODEL, TARGET)} or vector(0)) + "
            f"({counted('retries_total', TARGET)} or vector(0))",
        ),
        number(
            "How many attempts may have been billed for nothing?",
            "No answer came, so nobody knows. Compare with the backend's bill; the ledger has each with its time.",
            "short",
            f"{counted('possibly_billed_total', TARGET)} or vector(0)",
            (0, Color.GOOD),
            (1, Color.DOUBTFUL),
        ),
        number(
            "Is the shared state there?",
            "Without it each worker counts limits, budgets and circuits for itself. See its server and network.",
            "bool_yes_no",
            least(series("state_up")),
            (0, Color.BAD),
            (1, Color.GOOD),
        ),
        number(
            "How many processes are draining?",
            "Told to stop, finishing what they have. More than one for long: a roll-out is stuck.",
            "short",
            total(series("draining")),
            (0, Color.GOOD),
            (1, Color.DOUBTFUL),
        ),
        number(
            "How many pictures could not be stored?",
            "Failures of the store of links: a full disk, or a bucket whose rights have changed.",
            "short",
            f"{counted('picture_store_errors_total')} or vector(0)",
            (0, Color.GOOD),
            (1, Color.BAD),
        ),
        Panel(
            title="How fast is the error budget spent?",
            text="1 is the pace that uses up a month's budget in a month. 14 for an hour pages, and so does 6 for six "
            "hours; needs the recording rules in grafana/rules.",
            unit="short",
            queries=tuple(Query(BURN.format(window=window), f"over {window}") for window in ("5m", "1h", "6h")),
        ),
        Panel(
            title="Which targets are passed over, and why?",
            text="Moves to the next target per minute: which was left and why. `unsupported` is no fault: the request "
            "asked for what that target cannot do.",
            unit="short",
            queries=(
                Query(
                    each(per_minute, "fallbacks_total", MODEL, TARGET, by=("target", "reason")), "{{target}} {{reason}}"
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="What is tried again?",
            text="Retries per minute on the same target. They cost time: where they rarely help, set `retry.count: 0` "
            "and let the fallback do it.",
            unit="short",
            queries=(
                Query(each(per_minute, "retries_total", TARGET, by=("target", "reason")), "{{target}} {{reason}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="How many retries are left?",
            text="The retry budget of each account. At 0 there are no retries, so that a backend in trouble is not "
            "flooded: fallbacks go on.",
            unit="short",
            queries=(Query(least(series("retry_budget_balance"), "account"), "{{account}}"),),
        ),
        Panel(
            title="Where may we have paid for nothing?",
            text="Attempts per minute without an answer, by target. Mostly an `attempt_timeout` that is too short.",
            unit="short",
            queries=(Query(each(per_minute, "possibly_billed_total", TARGET, by=("target",)), "{{target}}"),),
            stacked=True,
        ),
        Panel(
            title="Which circuits are open?",
            text="Targets that fail too often are called no more for a while; one call probes. See Targets for why.",
            unit="short",
            queries=(Query(f"{most(series('target_state', TARGET), 'target')} == bool 3", "{{target}}"),),
            stacked=True,
        ),
        Panel(
            title="Do clients repeat themselves?",
            text="Requests with an Idempotency-Key, per minute, by what came of it. Many `replayed`: clients give up "
            "too soon, and the key saved the money.",
            unit="short",
            queries=(Query(each(per_minute, "idempotency_total", by=("result",)), "{{result}}"),),
            stacked=True,
        ),
        Panel(
            title="When was each process draining?",
            text="A roll-out is a short stripe on each instance, one after another. What `server.drain` ends is cut.",
            unit="short",
            kind=Kind.STATES,
            queries=(Query(most(series("draining"), "instance"), "{{instance}}"),),
            names={0: ("serving", Color.GOOD), 1: ("draining", Color.DOUBTFUL)},
        ),
        Panel(
            title="How fast is the shared state?",
            text="Seconds per operation. It is in every request with a limit, a budget or a key: above 50 ms, move it "
            "closer.",
            unit="s",
            queries=tuple(
                Query(quantile(rank, "state_seconds"), name) for rank, name in ((0.5, "half"), (0.99, "99 of 100"))
            ),
        ),
        Panel(
            title="Can pictures be stored?",
            text="Failures of the picture store per minute. Clients that want base64 do not notice.",
            unit="short",
            queries=(Query(total(per_minute("picture_store_errors_total")), "failures"),),
        ),
        Panel(
            title="Are log lines lost?",
            text="Lines per minute that nobody took: the log's reader is too slow. Requests do not wait for it.",
            unit="short",
            width=24,
            height=5,
            queries=(Query(total(per_minute("log_lines_dropped_total"), "instance"), "{{instance}}"),),
        ),
    ),
)
