// What the router tells of itself while the page is open: one connection for all views, taken up again when it breaks.

import { events } from "./api.js";

const FIRST = 1000;
const LONGEST = 15000;
const KEPT = 200;

export class Feed extends EventTarget {
  #api;
  #stop = null;
  #records = new Map();

  constructor(api) {
    super();
    this.#api = api;
  }

  start() {
    this.stop();
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#records.clear();
  }

  /** The record of a request, once it has come; null where it does not within a few seconds. */
  record(id, patience = 3000) {
    if (this.#records.has(id) || !id) return Promise.resolve(this.#records.get(id) ?? null);
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.removeEventListener("request", look);
        resolve(this.#records.get(id) ?? null);
      };
      const look = () => this.#records.has(id) && done();
      const timer = setTimeout(done, patience);
      this.addEventListener("request", look);
    });
  }

  async #run(signal) {
    let pause = FIRST;
    while (!signal.aborted) {
      try {
        const response = await this.#api.call("console/live", { signal });
        this.#tell("link", "live");
        pause = FIRST;
        for await (const { event, data } of events(response)) this.#take(event, data);
        this.#tell("link", "lost");
      } catch (error) {
        if (signal.aborted) return;
        this.#tell("link", error.status === 401 ? "refused" : "lost");
        if (error.status === 401) return;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, LONGEST);
    }
  }

  #take(event, data) {
    if (event === "request") {
      if (this.#records.has(data.id)) return; // told again after a break
      this.#records.set(data.id, data);
      if (this.#records.size > KEPT) this.#records.delete(this.#records.keys().next().value);
    }
    this.#tell(event, data);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
