"""Overview: is it well, is it fast, what does it cost."""

from grafana.src.panels import Color, Dashboard, Panel, Query, number
from grafana.src.promql import (
    FAILED,
    MODEL,
    TARGET,
    counted,
    each,
    grown,
    most,
    per_minute,
    quantile,
    rate,
    rest,
    series,
    total,
)

OVERVIEW = Dashboard(
    "overview",
    "Overview",
    "Is it well, is it fast, what does it cost? Start here; the other dashboards say why.",
    (
        number(
            "Which share of requests does not fail?",
            "Answers with 5xx or 408 (no backend in time) are failures, those to wrong requests are not. Below 99 %: "
            "the panel "
            "'How are requests answered?' says since when, the dashboard Reliability why.",
            "percentunit",
            rest(
                total(grown("requests_total", MODEL, FAILED)),
                total(grown("requests_total", MODEL)),
            ),
            (0, Color.BAD),
            (0.99, Color.DOUBTFUL),
            (0.995, Color.GOOD),
        ),
        number(
            "How long do nine of ten requests take at most?",
            "Large pictures of high quality take minutes. If it grows with the same requests: see Targets for the one "
            "that got slower, and 'How much time does the router add?' for the router itself.",
            "s",
            quantile(0.9, "request_duration_seconds", MODEL, whole=True),
        ),
        number(
            "How many pictures were delivered?",
            "In the time looked at. None although requests come: see 'How are requests answered?'.",
            "short",
            counted("images_total", MODEL, TARGET),
        ),
        number(
            "What did it cost?",
            "The backends' own figures where they give them, else the catalogue's prices; pictures whose price nobody "
            "knows are not in it. See Costs for who and what.",
            "currencyUSD",
            total(grown("cost_usd_total", MODEL, TARGET)),
        ),
        number(
            "How many targets are out of service?",
            "Cooling or open circuits. One is what fallbacks are for; all of a model's are an outage. See Targets.",
            "short",
            f"count({most(series('target_state', TARGET), 'target')} >= 2) or "
            f"0 * count({series('target_state', TARGET)})",
            (0, Color.GOOD),
            (1, Color.DOUBTFUL),
        ),
        number(
            "How many requests are under way?",
            "In all workers and instances. Near `server.max_in_flight` new ones wait, then they are turned away: add "
            "workers or raise it.",
            "short",
            total(series("in_flight_requests")),
        ),
        Panel(
            title="How are requests answered?",
            text="Requests per second by status. 408 and 502 to 504 are backends that failed or were too slow, "
            "after every fallback; 503 is also the router that drains or is full; 422 may be a key of ours that a "
            "backend refuses, 429 limits, other 4xx are the clients' own.",
            unit="reqps",
            queries=(Query(each(rate, "requests_total", MODEL, by=("status",)), "{{status}}"),),
            stacked=True,
        ),
        Panel(
            title="How fast are the answers?",
            text="From a request to its answer, attempts, pauses and queues included. Compare with the attempts on "
            "Targets: what is longer here went into retries and fallbacks.",
            unit="s",
            queries=tuple(
                Query(quantile(rank, "request_duration_seconds", MODEL), name)
                for rank, name in ((0.5, "half"), (0.9, "nine of ten"), (0.99, "99 of 100"))
            ),
        ),
        Panel(
            title="Are all the pictures delivered that are asked for?",
            text="Asked and delivered, per minute. A gap is failures, refusals, and models that gave fewer pictures.",
            unit="short",
            queries=(
                Query(total(per_minute("images_asked_total", MODEL)), "asked"),
                Query(total(per_minute("images_total", MODEL, TARGET)), "delivered"),
            ),
        ),
        Panel(
            title="What is asked for?",
            text="Pictures asked per minute, by operation and model. `_other` are names that the config does not know: "
            "a client with a spelling mistake, or a model to add.",
            unit="short",
            queries=(
                Query(
                    each(per_minute, "images_asked_total", MODEL, by=("operation", "model")), "{{operation}} {{model}}"
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="Why are requests refused?",
            text="Refusals per minute by model and the code that clients are told. They are no failures. Policies "
            "(`content_policy_violation`, `moderation_blocked`) that grow for one model alone: its backend got "
            "stricter. `model_not_found`: a client with a spelling mistake, or a model to add.",
            unit="short",
            queries=(Query(each(per_minute, "refusals_total", MODEL, by=("model", "reason")), "{{model}} {{reason}}"),),
        ),
        Panel(
            title="How much time does the router add?",
            text="What a request takes apart from its backends: reading, queueing, pauses, transcoding, storing. Above "
            "a second: look at the queue, at 'Is the event loop held up?', and at the size of the pictures.",
            unit="s",
            queries=tuple(
                Query(quantile(rank, "overhead_seconds"), name) for rank, name in ((0.5, "half"), (0.99, "99 of 100"))
            ),
        ),
        Panel(
            title="How full is the router?",
            text="Requests under way, and those that wait for their turn. A queue that stays: add workers.",
            unit="short",
            queries=(
                Query(total(series("in_flight_requests")), "under way"),
                Query(total(series("queue_depth")), "waiting"),
            ),
        ),
        Panel(
            title="How much memory do pictures take?",
            text="Bytes of bodies and answers held at once. Near `server.max_bytes_in_flight` requests wait: give the "
            "router more memory and raise it, or ask clients for links instead of base64.",
            unit="bytes",
            queries=(Query(total(series("in_flight_bytes"), "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Whom do we turn away?",
            text="Requests per minute that were not taken: by what there was too much of, and by the group that is "
            "over its limit. The first is for you to mend, the second for the group.",
            unit="short",
            queries=(
                Query(each(per_minute, "shed_total", by=("reason",)), "full: {{reason}}"),
                Query(each(per_minute, "rate_limited_total", by=("group",)), "limit of {{group}}"),
            ),
        ),
        Panel(
            title="Do clients leave before the answer?",
            text="Clients that hung up, per minute, by what the router was doing. While a backend draws, the picture "
            "is paid for all the same: raise the client's or the load balancer's time-out, or set `heartbeat`.",
            unit="short",
            queries=(Query(each(per_minute, "client_disconnects_total", by=("phase",)), "{{phase}}"),),
        ),
        Panel(
            title="How many bytes of pictures go out?",
            text="Bytes per second by model. For your network's bill; links into a bucket are not in it twice.",
            unit="Bps",
            queries=(Query(each(rate, "image_bytes_total", MODEL, by=("model",)), "{{model}}"),),
            stacked=True,
        ),
        Panel(
            title="Is the event loop held up?",
            text="The longest that a worker did nothing else. Above a second `/readyz` says so: too little CPU, or "
            "pictures too large for transcoding here.",
            unit="s",
            queries=(Query(most(series("loop_lag_seconds"), "instance"), "{{instance}}"),),
        ),
    ),
)
