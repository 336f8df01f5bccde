// The attempts of a request on one line of time. Every bar has its words, so that it can be read without being seen.

import { dollars, h, seconds } from "./dom.js";

const KINDS = { succeeded: "drew", ambiguous: "unclear" };

/** From a record of the live feed: attempts with their start. */
export function waterfall(record, { label = "Attempts" } = {}) {
  const attempts = record.attempts ?? [];
  const whole = Math.max(record.seconds ?? 0, ...attempts.map((each) => each.start + each.seconds), 0.001);
  const rows = attempts.map((each, index) => row(each, index, attempts, whole));
  const skipped = (record.skipped ?? []).map((each) =>
    h(
      "li",
      { class: "skipped" },
      h("span", { class: "who" }, each.target),
      h("span", { class: "track" }),
      h("span", { class: "end" }, `not asked: ${each.reason}`),
    ),
  );
  return h("ol", { class: "waterfall", "aria-label": label }, skipped, rows);
}

/** The bars alone, for a line of a list whose `--whole` is how many seconds its width is; the words stand beside. */
export function strip(record) {
  const share = (value) => `calc(100% * ${value} / var(--whole))`;
  const bars = (record.attempts ?? []).map((each) =>
    h("i", { class: kindOf(each), style: { left: share(each.start), width: share(each.seconds) } }),
  );
  return h("span", { class: "strip", "aria-hidden": "true" }, bars);
}

/** The record that a whole answer tells of itself, where the feed knows nothing of it: one attempt after another. */
export function recordOf(answer, elapsed) {
  let start = 0;
  const attempts = (answer.router?.attempts ?? []).map((each) => {
    const told = { ...each, start, outcome: each.error ? "failed" : "succeeded" };
    start += each.seconds;
    return told;
  });
  return {
    attempts,
    skipped: answer.router?.skipped ?? [],
    warnings: answer.router?.warnings ?? [],
    seconds: elapsed,
    cost: answer.usage?.cost,
  };
}

/** The same of a failure. */
export function recordOfFailure(failure, elapsed) {
  let start = 0;
  const attempts = [];
  const skipped = [];
  for (const each of failure.failures) {
    const target = each.model ?? "a target";
    if (each.attempt === 0) skipped.push({ target, reason: each.message });
    else {
      const took = each.duration_ms / 1000;
      attempts.push({
        target,
        number: each.attempt,
        start,
        seconds: took,
        outcome: "failed",
        error: each.code,
        status: each.status,
      });
      start += took;
    }
  }
  return { attempts, skipped, warnings: [], seconds: elapsed };
}

function row(attempt, index, all, whole) {
  const before = all[index - 1];
  const move = !before ? "" : before.target === attempt.target ? "retry" : "fallback";
  return h(
    "li",
    { class: attempt.error ? "failed" : "drew" },
    h("span", { class: "who" }, move && h("span", { class: "move" }, move), attempt.target),
    h("span", { class: "track", "aria-hidden": "true" }, bar(attempt, whole)),
    h("span", { class: "end" }, ending(attempt)),
  );
}

function bar(attempt, whole) {
  const left = (100 * attempt.start) / whole;
  const width = Math.max(0.8, (100 * attempt.seconds) / whole);
  return h("i", {
    class: kindOf(attempt),
    style: { left: `${Math.min(left, 99)}%`, width: `${Math.min(width, 100 - Math.min(left, 99))}%` },
  });
}

function kindOf({ outcome }) {
  return outcome === "succeeded" ? "drew" : outcome === "ambiguous" ? "unclear" : "failed";
}

function ending(attempt) {
  const told = [seconds(attempt.seconds)];
  if (attempt.error)
    told.push(`${attempt.status ? `${attempt.status} ` : ""}${String(attempt.error).replaceAll("_", " ")}`);
  else told.push(KINDS[attempt.outcome] ?? attempt.outcome);
  if (attempt.cost) told.push(dollars(attempt.cost));
  return told.join(" · ");
}
