// The last requests, the newest first; each opens to its attempts.

import { dollars, h, seconds } from "./dom.js";
import { warned } from "./plan.js";
import { strip, waterfall } from "./waterfall.js";

const KEPT = 60;
const WORDS = { generate: "create", edit: "edit", variation: "vary" };

export class Recents {
  #place;
  #rows = [];
  changed = () => {};

  constructor(place) {
    this.#place = place;
    this.#none();
  }

  get count() {
    return this.#rows.length;
  }

  get fallbacks() {
    return this.#rows.filter(({ fellBack }) => fellBack).length;
  }

  clear() {
    this.#rows = [];
    this.#none();
  }

  add(record) {
    if (!this.#rows.length) this.#place.replaceChildren();
    const element = row(record);
    this.#rows.unshift({ element, fellBack: fellBack(record), seconds: record.seconds });
    this.#place.prepend(element);
    for (const old of this.#rows.splice(KEPT)) old.element.remove();
    const longest = Math.max(1, ...this.#rows.map((each) => each.seconds));
    this.#place.style.setProperty("--whole", String(longest));
    this.changed();
  }

  #none() {
    this.#place.replaceChildren(h("li", { class: "none" }, "No request yet. The next one shows here as it ends."));
  }
}

function fellBack({ attempts = [] }) {
  return new Set(attempts.map((each) => each.target)).size > 1;
}

function row(record) {
  const details = h("div", { class: "details" });
  const element = h(
    "details",
    { ontoggle: () => element.open && !details.childElementCount && details.append(...story(record)) },
    h(
      "summary",
      {},
      h(
        "time",
        {},
        new Date(record.at * 1000).toLocaleTimeString([], {
          hour: "2-digit",
          minute: "2-digit",
          second: "2-digit",
          hour12: false,
        }),
      ),
      outcome(record),
      h(
        "span",
        { class: "asked" },
        record.model ?? "no model",
        h("small", {}, record.operation ? WORDS[record.operation] : ""),
      ),
      strip(record),
      h("span", { class: "by" }, by(record)),
      h("span", { class: "took" }, seconds(record.seconds)),
      h("span", { class: "cost" }, record.cost === null || record.cost === undefined ? "" : dollars(record.cost)),
    ),
    details,
  );
  return h("li", {}, element);
}

function outcome(record) {
  const good = record.status < 300 && !record.error;
  const kind = !good
    ? "bad"
    : fellBack(record)
      ? "moved"
      : (record.attempts?.length ?? 0) > 1
        ? "again"
        : record.skipped?.length
          ? "past"
          : "good";
  const words = { bad: String(record.status), moved: "fallback", again: "retried", past: "skipped", good: "ok" }[kind];
  return h("span", { class: `outcome ${kind}` }, words);
}

function by(record) {
  if (record.error) return String(record.error).replaceAll("_", " ");
  const last = (record.attempts ?? []).findLast((each) => each.outcome === "succeeded");
  return last ? last.target : "";
}

function story(record) {
  const facts = [
    ["request", record.id],
    ["caller", record.caller],
    ["pictures", record.images ?? 0],
  ];
  return [
    record.prompt && h("blockquote", {}, record.prompt),
    record.attempts?.length || record.skipped?.length ? waterfall(record) : h("p", {}, "Nothing was sent."),
    ...(record.warnings ?? []).map((each) => h("p", { class: "warned" }, warned(each))),
    h(
      "dl",
      {},
      facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  ].filter(Boolean);
}
