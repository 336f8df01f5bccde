// The list of models: which are asked, and what they have in common.

import { dollars, h, plural } from "./dom.js";

export const USUAL_SIZES = ["1024x1024", "1536x1024", "1024x1536"];
const WORDS = { generate: "create", edit: "edit", variation: "vary" };

export class Picker {
  #models = [];
  #chosen = new Set();
  #operation = "generate";
  #list = h("div", { class: "models", role: "group", "aria-label": "Models" });
  #filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter models", spellcheck: "false" });
  #count = h("span", { class: "count" });

  constructor(changed) {
    this.changed = changed;
    this.#filter.addEventListener("input", () => this.#draw());
    this.#filter.addEventListener(
      "keydown",
      (event) => event.key === "Enter" && !event.ctrlKey && event.preventDefault(),
    );
    this.element = h(
      "fieldset",
      { class: "picker" },
      h("legend", {}, "Models ", this.#count),
      this.#filter,
      this.#list,
    );
  }

  offer(models) {
    this.#models = models;
    this.#chosen = new Set([...this.#chosen].filter((id) => models.some((model) => model.id === id)));
    if (!this.#chosen.size && models.length) this.#chosen.add(models[0].id);
    this.#filter.hidden = models.length < 9;
    this.operation = this.#operation;
  }

  set operation(operation) {
    this.#operation = operation;
    this.#draw();
    this.changed();
  }

  /** The chosen models that have the operation. */
  get models() {
    return this.#models.filter((model) => this.#chosen.has(model.id) && this.#can(model));
  }

  /** What all chosen models offer, or what any of them does where they have nothing in common. */
  shared(name, usual) {
    const lists = this.models.map((model) => model.image[name]).filter((list) => list?.length);
    if (!lists.length) return usual;
    const common = lists[0].filter((value) => lists.every((list) => list.includes(value)));
    return common.length ? common : [...new Set(lists.flat())];
  }

  most(name, usual) {
    return Math.min(usual, ...this.models.map((model) => model.image[name] ?? usual));
  }

  #can(model) {
    return model.image.operations.includes(this.#operation);
  }

  #draw() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const shown = this.#models.filter((model) => model.id.toLowerCase().includes(wanted));
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.value : null;
    this.#list.replaceChildren(...shown.map((model) => this.#row(model)));
    if (!shown.length) this.#list.append(h("p", { class: "none" }, "No model of that name."));
    if (focused) [...this.#list.querySelectorAll("input")].find((box) => box.value === focused)?.focus();
    this.#count.textContent = this.models.length > 1 ? plural(this.models.length, "model") + " side by side" : "";
  }

  #row(model) {
    const can = this.#can(model);
    const choose = (event) => {
      if (event.target.checked) this.#chosen.add(model.id);
      else this.#chosen.delete(model.id);
      this.#draw();
      this.changed();
    };
    return h(
      "label",
      { class: can ? "model" : "model cannot" },
      h("input", {
        type: "checkbox",
        value: model.id,
        checked: can && this.#chosen.has(model.id),
        disabled: !can,
        onchange: choose,
      }),
      h("span", { class: "name" }, model.id),
      h("span", { class: "price" }, priceOf(model)),
      h(
        "span",
        { class: "abilities" },
        abilities(model, { lacking: can ? null : this.#operation, full: can && this.#chosen.has(model.id) }),
      ),
    );
  }
}

/** What a model can: in short, or in full once it is chosen. */
function abilities(model, { lacking, full }) {
  if (lacking) return `cannot ${WORDS[lacking]}`;
  const { operations, sizes = [], qualities = [], retires } = model.image;
  const named = qualities.filter((quality) => quality !== "auto");
  const measured = sizes.filter((size) => size !== "auto").map((size) => size.replace("x", "×"));
  const told = [
    Object.keys(WORDS)
      .filter((operation) => operations.includes(operation))
      .map((operation) => WORDS[operation])
      .join(" · "),
  ];
  if (measured.length) told.push(full ? measured.join(", ") : plural(measured.length, "size"));
  if (named.length) told.push(full || named.length < 3 ? named.join(", ") : `${named[0]}–${named.at(-1)}`);
  if (retires) told.push(`${retires > new Date().toISOString() ? "retires" : "retired"} ${retires}`);
  return told.map((each) => h("span", {}, each));
}

function priceOf(model) {
  const prices = model.image.prices;
  if (!prices) return "";
  const known = (prices.images ?? []).map((each) => each.usd);
  if (known.length) return (known.length > 1 ? "from " : "") + dollars(Math.min(...known));
  return prices.tokens ? "by tokens" : "";
}
