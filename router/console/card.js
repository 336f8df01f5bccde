// What one model made of a request: its pictures as they come, and the facts of how.

import { Failure, events } from "./api.js";
import { bytes, copy, dollars, h, seconds } from "./dom.js";
import { warned } from "./plan.js";
import { recordOf, recordOfFailure, waterfall } from "./waterfall.js";

const FORMATS = [
  ["png", [0x89, 0x50, 0x4e, 0x47]],
  ["jpeg", [0xff, 0xd8, 0xff]],
  ["webp", [0x52, 0x49, 0x46, 0x46]],
];

export class Card {
  #urls = [];
  #shown = new Map();

  constructor(api, feed, ask, { again, signal }) {
    Object.assign(this, { api, feed, ask, again, signal });
    this.clock = h("span", { class: "clock" });
    this.pictures = h("div", { class: "pictures" });
    this.body = h("div", { class: "told" });
    this.element = h(
      "section",
      { class: "card", "aria-label": ask.fields.model },
      h("header", {}, h("h4", {}, ask.fields.model), this.clock),
      this.pictures,
      this.body,
      h(
        "footer",
        {},
        h("span", {}, "Copy as"),
        [
          ["curl", "curl"],
          ["Python", "python"],
          ["JS", "javascript"],
        ].map(([words, form]) =>
          h(
            "button",
            {
              type: "button",
              class: "quiet",
              "aria-label": `Copy as ${words}`,
              onclick: (event) => copy(ask[form](), event.currentTarget),
            },
            words,
          ),
        ),
      ),
    );
  }

  /** Whether pictures came of it. */
  async draw() {
    const began = performance.now();
    const elapsed = () => (performance.now() - began) / 1000;
    const ticking = setInterval(() => (this.clock.textContent = seconds(elapsed())), 100);
    this.element.setAttribute("aria-busy", "true");
    this.#wait();
    try {
      await this.#drawn(elapsed);
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      const failure = error instanceof Failure ? error : new Failure(0, { message: "the router could not be reached" });
      this.refuse(failure);
      await this.#tell(recordOfFailure(failure, elapsed()), failure.id);
      return false;
    } finally {
      clearInterval(ticking);
      this.clock.textContent = seconds(elapsed());
      this.element.removeAttribute("aria-busy");
    }
  }

  async #drawn(elapsed) {
    const response = await this.api.call(this.ask.path, { body: this.ask.body(), signal: this.signal });
    const id = response.headers.get("x-request-id");
    if (response.headers.get("content-type").startsWith("text/event-stream")) {
      await this.#streamed(response, id);
      await this.#tell({ attempts: [], seconds: elapsed() }, id);
      return;
    }
    const answer = await response.json();
    if (answer.error) throw new Failure(response.status, answer.error, id); // told after the status, where blanks were sent
    this.pictures.replaceChildren();
    for (const [index, item] of answer.data.entries()) await this.#picture(index, item);
    await this.#tell(recordOf(answer, elapsed()), id);
  }

  async #streamed(response, id) {
    let done = 0;
    for await (const { data } of events(response)) {
      if (data.type === "error") throw new Failure(response.status, data.error ?? data, id);
      const early = data.type.endsWith("partial_image");
      await this.#picture(done, data, early ? `Early look ${data.partial_image_index + 1}` : null);
      if (!early) done += 1;
    }
    this.pictures.querySelectorAll(".blank").forEach((blank) => blank.remove());
  }

  #wait() {
    const [width, height] = (this.ask.fields.size ?? "1x1").split("x").map(Number);
    const blanks = Array.from({ length: this.ask.fields.n ?? 1 }, () =>
      h("div", { class: "blank", style: { "aspect-ratio": `${width || 1} / ${height || 1}` } }),
    );
    this.pictures.replaceChildren(...blanks);
  }

  async #picture(index, item, early = null) {
    const blob = blobOf(item);
    if (blob === null) {
      this.pictures.append(h("p", {}, "The backend gave a link and no picture: ", h("code", {}, item.url ?? "")));
      return;
    }
    const url = URL.createObjectURL(blob);
    this.#urls.push(url);
    const image = h("img", { src: url, alt: `${early ?? "Picture"} by ${this.ask.fields.model}` });
    await image.decode().catch(() => null);
    const figure = h(
      "figure",
      early ? { class: "early" } : {},
      image,
      h("figcaption", {}, early ?? this.#facts(image, blob, url)),
    );
    const place = this.#shown.get(index) ?? this.pictures.querySelector(".blank");
    if (place) place.replaceWith(figure);
    else this.pictures.append(figure);
    this.#shown.set(index, figure);
  }

  #facts(image, blob, url) {
    const format = blob.type.replace("image/", "");
    return [
      h("span", { class: "pixels" }, `${image.naturalWidth} × ${image.naturalHeight}`),
      h("span", { class: "format" }, format),
      h("span", { class: "bytes" }, bytes(blob.size)),
      h("a", { href: url, download: `picture.${format}` }, "Save"),
      h("button", { type: "button", class: "quiet", onclick: () => this.again(blob) }, "Edit this"),
    ];
  }

  /** How it went: what the feed has of the request, as that knows when each attempt began; else what the answer says. */
  async #tell(told, id) {
    const record = { ...told, ...((await this.feed.record(id)) ?? {}) };
    if (told.warnings?.length) record.warnings = told.warnings; // in full, which the feed may not have
    const cost = record.cost === null || record.cost === undefined ? "cost unknown" : dollars(record.cost);
    const drew = (record.attempts ?? []).findLast?.((each) => each.outcome === "succeeded");
    this.body.append(
      h("p", { class: "sum" }, drew ? h("b", {}, drew.target) : "no target drew", h("span", { class: "cost" }, cost)),
      ...(record.warnings ?? []).map((each) => h("p", { class: "warned" }, warned(each))),
    );
    if (record.attempts?.length || record.skipped?.length)
      this.body.append(waterfall(record, { label: `Attempts for ${this.ask.fields.model}` }));
  }

  show(element) {
    this.body.append(element);
  }

  refuse(failure) {
    this.pictures.replaceChildren();
    this.element.classList.add("refused");
    const code = [failure.status || "", failure.code].filter(Boolean).join(" ");
    this.body.append(h("p", { class: "failure", role: "alert" }, h("b", {}, code), " ", failure.message));
    if (failure.code === "dry_run_not_allowed")
      this.body.append(
        h("p", { class: "hint" }, "Explaining shows what would go to the backends, so a key needs the right to it."),
      );
  }

  forget() {
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }
}

function blobOf({ b64_json: b64, url }) {
  const text = b64 ?? (url?.startsWith("data:") ? url.slice(url.indexOf(",") + 1) : null);
  if (!text) return null;
  const letters = atob(text);
  const data = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) data[at] = letters.charCodeAt(at);
  const found = FORMATS.find(([, head]) => head.every((byte, at) => data[at] === byte));
  return new Blob([data], { type: `image/${found?.[0] ?? "png"}` });
}
