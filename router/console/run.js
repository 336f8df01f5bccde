// One press of Run or Explain: a card for each model, side by side.

import { Card } from "./card.js";
import { Failure } from "./api.js";
import { h, plural, say } from "./dom.js";
import { plan } from "./plan.js";

const WORDS = { generate: "", edit: "Edit: ", variation: "Variation" };

export class Run {
  #stop = new AbortController();

  constructor(api, feed, asks, { again }) {
    this.api = api;
    this.asks = asks;
    this.cards = asks.map((ask) => new Card(api, feed, ask, { again, signal: this.#stop.signal }));
    this.element = h(
      "article",
      { class: "run" },
      h(
        "header",
        {},
        h("h3", {}, `${WORDS[asks[0].operation]}${asks[0].fields.prompt ?? ""}`),
        h("time", {}, new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })),
      ),
      h(
        "div",
        { class: "cards" },
        this.cards.map((card) => card.element),
      ),
    );
  }

  async draw() {
    const done = await Promise.all(this.cards.map((card) => card.draw()));
    const good = done.filter(Boolean).length;
    say(good === done.length ? `${plural(good, "result")} drawn` : `${good} of ${plural(done.length, "result")} drawn`);
  }

  async explain() {
    this.element.classList.add("explained");
    await Promise.all(this.asks.map((ask, index) => this.#explained(ask, this.cards[index])));
    say("The plan is there");
  }

  async #explained(ask, card) {
    try {
      card.show(plan(await this.api.json(ask.path, { body: ask.planBody(), signal: this.#stop.signal })));
    } catch (error) {
      if (error instanceof Failure) card.refuse(error);
      else if (error.name !== "AbortError") card.refuse(new Failure(0, { message: "the router could not be reached" }));
    }
  }

  remove() {
    this.#stop.abort();
    for (const card of this.cards) card.forget();
    this.element.remove();
  }
}
