// The request form: what is asked, of which models, with which pictures.

import { byId, h, plural } from "./dom.js";
import { Inputs } from "./inputs.js";
import { Picker, USUAL_SIZES } from "./picker.js";
import { Ask } from "./request.js";
import { Run } from "./run.js";

const OPERATIONS = [
  ["generate", "Create"],
  ["edit", "Edit"],
  ["variation", "Vary"],
];
const USUAL_QUALITIES = ["low", "medium", "high"];
const OWN = "custom";
const MOST_RUNS = 12; // older ones go: their pictures are held in memory

export class Playground {
  #operation = "generate";
  #runs = [];

  constructor(api, feed) {
    this.api = api;
    this.feed = feed;
    this.picker = new Picker(() => this.#adapt());
    this.inputs = new Inputs();
    this.#build();
    this.form = byId("ask");
    this.form.append(...this.parts);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start("draw");
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    this.#adapt();
  }

  offer(models) {
    this.picker.offer(models);
  }

  clear() {
    for (const run of this.#runs.splice(0)) run.remove();
    this.inputs.clear();
    this.prompt.value = "";
    this.picker.offer([]);
    byId("empty").hidden = false;
  }

  #build() {
    this.prompt = h("textarea", {
      id: "prompt",
      rows: 4,
      placeholder: "a lighthouse at dusk, gouache",
      spellcheck: "true",
    });
    this.promptLine = h("div", { class: "field" }, h("label", { for: "prompt" }, "Prompt"), this.prompt);
    this.size = h("select", { id: "size", onchange: () => this.#ownSize() });
    this.ownSize = h("input", {
      id: "own-size",
      placeholder: "1280x720",
      pattern: "[1-9][0-9]{1,4}x[1-9][0-9]{1,4}",
      "aria-label": "Width x height",
      hidden: true,
    });
    this.quality = h("select", { id: "quality" });
    this.count = h("input", { id: "count", type: "number", min: 1, max: 10, value: 1, inputmode: "numeric" });
    this.format = options(h("select", { id: "format" }), ["png", "jpeg", "webp"]);
    this.background = options(h("select", { id: "background" }), ["opaque", "transparent"]);
    this.stream = h("input", {
      id: "stream",
      type: "checkbox",
      onchange: () => (this.looks.disabled = !this.stream.checked),
    });
    this.looks = h("input", {
      id: "looks",
      type: "number",
      min: 0,
      max: 3,
      value: 2,
      disabled: true,
      "aria-label": "Early looks",
    });
    this.note = h("p", { class: "wrong", role: "alert" });
    this.run = h("button", { class: "primary", type: "submit" }, "Run");
    this.parts = [
      h(
        "div",
        { class: "modes", role: "radiogroup", "aria-label": "Operation" },
        OPERATIONS.map(([name, words]) =>
          h(
            "label",
            {},
            h("input", {
              type: "radio",
              name: "operation",
              value: name,
              checked: name === "generate",
              onchange: () => this.#operate(name),
            }),
            h("span", {}, words),
          ),
        ),
      ),
      this.inputs.element,
      this.promptLine,
      this.picker.element,
      h(
        "div",
        { class: "grid" },
        field("Size", this.size, this.ownSize),
        field("Quality", this.quality),
        field("Pictures", this.count),
        field("Format", this.format),
        field("Background", this.background),
        h(
          "div",
          { class: "field stream" },
          h("label", { for: "stream" }, "Stream"),
          h(
            "span",
            { class: "line" },
            this.stream,
            h("label", { for: "stream" }, "with"),
            this.looks,
            h("span", {}, "early looks"),
          ),
        ),
      ),
      this.note,
      h(
        "div",
        { class: "go" },
        this.run,
        h("button", { type: "button", onclick: () => this.#start("explain") }, "Explain"),
        h("kbd", { "aria-hidden": "true" }, "Ctrl ↵"),
      ),
    ];
  }

  #operate(name) {
    this.#operation = name;
    this.picker.operation = name;
  }

  /** Offer what the chosen models offer. */
  #adapt() {
    const operation = this.#operation;
    this.inputs.show(operation);
    this.promptLine.hidden = operation === "variation";
    for (const each of [this.quality, this.background, this.format, this.stream])
      each.closest(".field").hidden = operation === "variation";
    options(this.size, [...this.picker.shared("sizes", USUAL_SIZES).filter((size) => size !== "auto"), OWN]);
    options(
      this.quality,
      this.picker.shared("qualities", USUAL_QUALITIES).filter((quality) => quality !== "auto"),
    );
    this.count.max = this.picker.most("n_max", 10);
    this.count.value = Math.min(this.count.value || 1, this.count.max);
    this.#ownSize();
    const many = this.picker.models.length;
    this.run.textContent = many > 1 ? `Run on ${plural(many, "model")}` : "Run";
  }

  #ownSize() {
    this.ownSize.hidden = this.size.value !== OWN;
  }

  #wrong() {
    if (!this.picker.models.length) return "Choose a model that can do this.";
    if (this.#operation !== "variation" && !this.prompt.value.trim()) return "Say in the prompt what to draw.";
    if (this.#operation !== "generate" && !this.inputs.files.length) return "Add a picture first.";
    if (!this.ownSize.hidden && !/^[1-9]\d{1,4}x[1-9]\d{1,4}$/.test(this.ownSize.value))
      return "Write the size as width x height, such as 1280x720.";
    return "";
  }

  #start(what) {
    this.note.textContent = this.#wrong();
    if (this.note.textContent) return;
    byId("empty").hidden = true;
    const asks = this.picker.models.map((model) => this.#asked(model));
    const run = new Run(this.api, this.feed, asks, { again: (blob) => this.#takeUp(blob) });
    this.#runs.unshift(run);
    byId("runs").prepend(run.element);
    for (const old of this.#runs.splice(MOST_RUNS)) old.remove();
    if (matchMedia("(max-width: 760px)").matches) run.element.scrollIntoView({ block: "start" });
    if (what === "draw") run.draw();
    else run.explain();
  }

  #asked(model) {
    const operation = this.#operation;
    const fields = { model: model.id };
    if (operation !== "variation") fields.prompt = this.prompt.value.trim();
    const size = this.size.value === OWN ? this.ownSize.value : this.size.value;
    if (size) fields.size = size;
    if (this.count.valueAsNumber > 1) fields.n = Math.min(this.count.valueAsNumber, model.image.n_max ?? 10);
    if (operation !== "variation") {
      if (this.quality.value) fields.quality = this.quality.value;
      if (this.format.value) fields.output_format = this.format.value;
      if (this.background.value) fields.background = this.background.value;
      if (this.stream.checked) Object.assign(fields, { stream: true, partial_images: this.looks.valueAsNumber || 0 });
    }
    if (!fields.stream) fields.response_format = "b64_json";
    return new Ask(operation, fields, operation === "generate" ? [] : this.inputs.parts(operation, model));
  }

  /** A result becomes the picture to edit. */
  #takeUp(blob) {
    this.inputs.replace(new File([blob], "picture.png", { type: blob.type }));
    const edit = this.form.querySelector('input[value="edit"]');
    edit.checked = true;
    this.#operate("edit");
    edit.focus();
  }
}

function field(words, ...inputs) {
  return h("div", { class: "field" }, h("label", { for: inputs[0].id }, words), inputs);
}

/** Fills a select; what was chosen stays chosen where it is still there. */
function options(select, values) {
  const before = select.value;
  const words = (value) => (value === OWN ? "other…" : value.replace("x", "×"));
  select.replaceChildren(
    h("option", { value: "" }, "auto"),
    ...values.map((value) => h("option", { value }, select.id === "size" ? words(value) : value)),
  );
  select.value = values.includes(before) ? before : "";
  return select;
}
