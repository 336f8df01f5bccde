"""Targets: one row for each, and how it has been."""

from grafana.src.panels import Color, Dashboard, Kind, Panel, Query
from grafana.src.promql import TARGET, counted, each, grown, most, per_minute, quantile, rate, series, share, total

STATES = {
    0: ("healthy", Color.GOOD),
    1: ("recovering", Color.BETTER),
    2: ("cooling", Color.DOUBTFUL),
    3: ("open", Color.BAD),
}
SINCE = f"time() - ({most(series('target_last_success_timestamp_seconds', TARGET), 'target')} > 0)"

TARGETS = Dashboard(
    "targets",
    "Targets",
    "How is each target: its attempts, how they end, how long they take, when it is left out, when it last worked.",
    (
        Panel(
            title="How is each target?",
            text="One row each, over the time looked at. Open or cooling: 'Why are targets left out?'. A small share "
            "of successes with a healthy state: requests it cannot serve; look at the outcomes. No last success: "
            "a fallback that was never tried; send it a request by its own name before you need it.",
            unit="short",
            kind=Kind.TABLE,
            width=24,
            queries=(
                Query(most(series("target_state", TARGET), "target"), "State", "state"),
                Query(counted("attempts_total", TARGET, by=("target",)), "Attempts"),
                Query(
                    share(
                        total(grown("attempts_total", TARGET, 'outcome="succeeded"'), "target"),
                        total(grown("attempts_total", TARGET), "target"),
                    ),
                    "Succeeded",
                    "percentunit",
                ),
                Query(quantile(0.5, "attempt_duration_seconds", TARGET, by=("target",), whole=True), "Half take", "s"),
                Query(
                    quantile(0.95, "attempt_duration_seconds", TARGET, by=("target",), whole=True),
                    "19 of 20 take",
                    "s",
                ),
                Query(total(series("in_flight", TARGET), "target"), "Under way"),
                Query(counted("cooldowns_total", TARGET, by=("target",)), "Left out"),
                Query(SINCE, "Last success", "dtdurations"),
            ),
            names=STATES,
        ),
        Panel(
            title="When was each target out of service?",
            text="Healthy, recovering (one call probes), cooling (it or its account asked us to wait) or open (too "
            "many failures). The worst of all workers. Nothing to do for one that comes back by itself.",
            unit="short",
            kind=Kind.STATES,
            width=24,
            queries=(Query(most(series("target_state", TARGET), "target"), "{{target}}"),),
            names=STATES,
        ),
        Panel(
            title="How do attempts end?",
            text="Attempts per minute by target and outcome, seen from the bill: not sent, rejected (no work done), "
            "failed, ambiguous (perhaps billed) or succeeded.",
            unit="short",
            queries=(
                Query(each(per_minute, "attempts_total", TARGET, by=("target", "outcome")), "{{target}} {{outcome}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="How long do attempts take?",
            text="Half and 19 of 20 attempts per target. A target near its `attempt_timeout` fails soon: raise it, or "
            "put a faster one before it.",
            unit="s",
            queries=(
                Query(quantile(0.5, "attempt_duration_seconds", TARGET, by=("target",)), "{{target}}, half"),
                Query(quantile(0.95, "attempt_duration_seconds", TARGET, by=("target",)), "{{target}}, 19 of 20"),
            ),
        ),
        Panel(
            title="How many attempts are under way?",
            text="Per target. At `max_concurrency` further attempts wait, and then go to the next target.",
            unit="short",
            queries=(Query(total(series("in_flight", TARGET), "target"), "{{target}}"),),
        ),
        Panel(
            title="How long ago did each target last succeed?",
            text="A fallback that has not worked for a week may not work when it is needed. Try it by its own name.",
            unit="dtdurations",
            queries=(Query(SINCE, "{{target}}"),),
        ),
        Panel(
            title="Why are targets left out?",
            text="Cooldowns and openings per minute. `rate_limited`: ask for a higher limit or spread the load; "
            "`authentication` and `quota`: renew the key, pay the bill; `circuit`: the backend is ill.",
            unit="short",
            queries=(
                Query(each(per_minute, "cooldowns_total", TARGET, by=("target", "reason")), "{{target}} {{reason}}"),
            ),
        ),
        Panel(
            title="What does each target deliver?",
            text="Pictures per minute by target, size tier and quality: what you pay for, not what was asked.",
            unit="short",
            queries=(
                Query(
                    each(per_minute, "images_total", TARGET, by=("target", "size", "quality")),
                    "{{target}} {{size}} {{quality}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="What could not be sent as asked?",
            text="Parameters per minute that a target cannot express and that were adapted or dropped. Many of one: "
            "set `unsupported: error`, or choose a target that can.",
            unit="short",
            queries=(
                Query(
                    each(per_minute, "warnings_total", TARGET, by=("target", "parameter")), "{{target}} {{parameter}}"
                ),
            ),
        ),
        Panel(
            title="How often are jobs polled?",
            text="Polls per second by target, of backends that answer with a job. If it grows without attempts, their "
            "queue is longer: expect slower pictures.",
            unit="reqps",
            queries=(Query(each(rate, "polls_total", TARGET, by=("target",)), "{{target}}"),),
        ),
    ),
)
