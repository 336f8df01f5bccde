// Every model with its chain, drawn as a chain: who is asked first, who after, and how each is doing.

import { dollars, h, say, seconds, svg } from "./dom.js";

const BAR = { width: 3, gap: 1, height: 18 };

export class Chains {
  #place;
  #rows = new Map();
  #states = new Map();
  #ahead = 0; // how far the router's clock is ahead of ours, in seconds

  constructor(place) {
    this.#place = place;
  }

  clear() {
    this.#rows.clear();
    this.#states.clear();
    this.#place.replaceChildren();
  }

  take({ now, models, targets }) {
    this.#ahead = now - Date.now() / 1000;
    this.#announce(targets);
    const names = models.map(({ name }) => name);
    for (const gone of [...this.#rows.keys()].filter((name) => !names.includes(name))) this.#rows.delete(gone);
    const order = models.map((model) => this.#row(model, targets));
    if (
      order.some((element, index) => this.#place.children[index] !== element) ||
      this.#place.children.length !== order.length
    )
      this.#place.replaceChildren(...order);
    this.tick();
  }

  /** Count down how long each target is still left out. */
  tick() {
    const now = Date.now() / 1000 + this.#ahead;
    for (const element of this.#place.querySelectorAll("[data-until]")) {
      element.textContent = ` ${Math.max(0, Math.ceil(Number(element.dataset.until) - now))} s`;
    }
  }

  #announce(targets) {
    for (const [key, { name, state }] of Object.entries(targets)) {
      const before = this.#states.get(key);
      if (before && before !== state) say(`${name} is ${state}`);
      this.#states.set(key, state);
    }
  }

  #row(model, targets) {
    const chain = model.chain.map((key) => targets[key]);
    const look = JSON.stringify([model, chain]);
    const known = this.#rows.get(model.name);
    if (known?.look === look) return known.element;
    const first = chain.findIndex((target) => !target.until);
    const element = known?.element ?? h("article", { class: "route" });
    element.replaceChildren(
      h(
        "header",
        {},
        h("h4", {}, model.name),
        model.order !== "as_written" && h("small", {}, String(model.order).replaceAll("_", " ")),
      ),
      h(
        "ol",
        { class: "chain", "aria-label": `Chain of ${model.name}` },
        chain.map((target, index) =>
          node(target, {
            first: index === first,
            diverted: index > 0 && index <= first,
            told: model.order === "as_written",
          }),
        ),
      ),
    );
    this.#rows.set(model.name, { look, element });
    return element;
  }
}

function node(target, { first, diverted, told }) {
  const { attempts, per_minute: rate, p50, p95, cost } = target;
  return h(
    "li",
    { class: [first ? "first" : "", diverted ? "diverted" : ""].join(" ").trim() },
    h(
      "div",
      { class: "target", "data-state": target.state },
      h("div", { class: "head" }, h("b", {}, target.name), h("small", {}, target.kind)),
      h(
        "div",
        { class: "state" },
        h("i", { class: "dot", "aria-hidden": "true" }),
        target.state,
        target.until && h("span", { "data-until": target.until }),
        target.reason && target.until && h("span", { class: "why" }, String(target.reason).replaceAll("_", " ")),
        first && told && target.state === "healthy" && h("span", { class: "why" }, "asked first"),
      ),
      spark(target.bars),
      h(
        "dl",
        {},
        [
          ["per min", rate],
          ["p50", seconds(p50)],
          ["p95", seconds(p95)],
          ["cost/h", attempts ? dollars(cost) : "–"],
        ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
      ),
    ),
  );
}

function spark(bars) {
  const most = Math.max(4, ...bars.map(([attempts]) => attempts));
  const width = bars.length * (BAR.width + BAR.gap);
  const scale = (count) => (count ? Math.max(1.5, (BAR.height * count) / most) : 0);
  const column = (index, from, height, name) =>
    svg("rect", {
      x: index * (BAR.width + BAR.gap),
      y: BAR.height - from - height,
      width: BAR.width,
      height,
      class: name,
    });
  const drawn = bars.flatMap(([attempts, failures], index) => {
    const whole = scale(attempts);
    const bad = whole * (attempts ? failures / attempts : 0);
    return [
      whole - bad > 0 && column(index, 0, whole - bad, "good"),
      bad > 0 && column(index, whole - bad, bad, "bad"),
      !attempts && column(index, 0, 1, "none"),
    ];
  });
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${BAR.height}`, preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" },
    drawn,
  );
}
