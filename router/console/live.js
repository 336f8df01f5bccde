// The live view: what the feed tells, drawn where it changed.

import { Chains } from "./chains.js";
import { byId, dollars, h, plural } from "./dom.js";
import { Recents } from "./recents.js";

export class Live {
  #chains = new Chains(byId("chains"));
  #recents = new Recents(byId("recent"));
  #mistakes = "";

  constructor(feed) {
    feed.addEventListener("state", ({ detail }) => this.#take(detail));
    feed.addEventListener("request", ({ detail }) => this.#recents.add(detail));
    setInterval(() => this.#chains.tick(), 500);
    this.#recents.changed = () => this.#sum();
  }

  clear() {
    this.#chains.clear();
    this.#recents.clear();
    this.#last = null;
    this.#mistakes = "";
    byId("sums").replaceChildren();
    byId("wrong-config").replaceChildren();
  }

  #last = null;

  #take(state) {
    this.#last = state;
    if (state.models) this.#chains.take(state);
    else
      byId("chains").replaceChildren(
        h(
          "p",
          { class: "none" },
          "This key sees its own requests. Chains and everyone’s requests take a key with ",
          h("code", {}, "watch: true"),
          " in the configuration.",
        ),
      );
    this.#config(state.config);
    this.#sum();
  }

  #config({ mistakes = [], count = 0 }) {
    const told = JSON.stringify([mistakes, count]);
    if (told === this.#mistakes) return;
    this.#mistakes = told;
    byId("wrong-config").replaceChildren(
      ...(count
        ? [
            h(
              "div",
              { class: "banner" },
              h(
                "p",
                {},
                h("b", {}, `The configuration on disk has ${plural(count, "mistake")}. `),
                "The one before it is still served.",
              ),
              h(
                "ul",
                {},
                mistakes
                  .slice(0, 8)
                  .map((each) =>
                    h(
                      "li",
                      {},
                      h("code", {}, `${each.file}:${each.line}:${each.column}`),
                      " ",
                      each.where && h("code", { class: "where" }, each.where),
                      " ",
                      each.message,
                    ),
                  ),
              ),
            ),
          ]
        : []),
    );
  }

  #sum() {
    if (!this.#last) return;
    const { config, targets } = this.#last;
    const loaded =
      config.loaded &&
      new Date(config.loaded * 1000).toLocaleTimeString([], {
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
        hour12: false,
      });
    const facts = [
      [
        "Config",
        h("code", {}, config.version.slice(0, 12)),
        config.count ? "older than the file" : loaded ? `since ${loaded}` : "",
      ],
    ];
    if (targets) {
      const all = Object.values(targets);
      const total = (name) => all.reduce((sum, each) => sum + each[name], 0);
      const out = all.filter((each) => each.until).length;
      facts.push(
        ["Targets", `${all.length - out} of ${all.length}`, out ? `${out} left out` : "all in use"],
        ["Attempts", `${total("per_minute")} / min`, `${total("attempts")} in the hour`],
        ["Failed attempts", String(total("failures")), "in the hour"],
        ["Cost", dollars(total("cost")), "in the hour"],
      );
    }
    const { count, fallbacks } = this.#recents;
    facts.push(["Fallbacks", String(fallbacks), `in the last ${plural(count, "request")}`]);
    byId("sums").replaceChildren(
      ...facts.map(([name, value, more]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), more && h("small", {}, more))),
      ),
    );
  }
}
