// The pictures that an edit or a variation begins with: dropped, pasted or chosen, and the mask of the first.

import { bytes, h, say } from "./dom.js";
import { MaskEditor } from "./mask.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MOST = 16;

export class Inputs {
  #files = [];
  #bitmap = null;
  #mask = null;
  #urls = [];

  constructor() {
    this.editor = new MaskEditor();
    this.file = h("input", {
      type: "file",
      accept: TYPES.join(","),
      multiple: true,
      class: "unseen",
      id: "pictures",
      onchange: () => this.#add(this.file.files),
    });
    this.list = h("ul", { class: "thumbs", "aria-label": "Pictures" });
    this.paint = h("button", { type: "button", hidden: true, onclick: () => this.#paint() }, "Paint a mask");
    this.dropMask = h(
      "button",
      { type: "button", class: "quiet", hidden: true, onclick: () => this.#setMask(null) },
      "Remove mask",
    );
    this.drop = h(
      "div",
      { class: "drop" },
      this.file,
      h("label", { for: "pictures" }, "Drop pictures here, paste them, or ", h("u", {}, "choose files")),
    );
    this.element = h(
      "div",
      { class: "inputs", hidden: true },
      this.drop,
      this.list,
      h("div", { class: "line" }, this.paint, this.dropMask),
      this.editor.element,
    );
    for (const name of ["dragover", "dragenter"]) this.drop.addEventListener(name, (event) => this.#over(event, true));
    for (const name of ["dragleave", "drop"]) this.drop.addEventListener(name, (event) => this.#over(event, false));
    this.drop.addEventListener("drop", (event) => this.#add(event.dataTransfer.files));
    for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault()); // a miss must not leave the page
    document.addEventListener(
      "paste",
      (event) => !this.element.hidden && event.clipboardData.files.length && this.#add(event.clipboardData.files),
    );
  }

  get files() {
    return this.#files;
  }

  show(operation) {
    this.element.hidden = operation === "generate";
    this.masked = operation === "edit";
    this.file.multiple = operation === "edit";
    this.#offerMask();
  }

  clear() {
    this.#files = [];
    this.#draw();
  }

  replace(file) {
    this.#files = [];
    this.#add([file]);
  }

  /** The parts of a form, for a model. */
  parts(operation, model) {
    if (operation === "variation") return [{ name: "image", file: this.#files[0] }];
    const files = this.#files.slice(0, model.image.max_images ?? MOST);
    const parts = files.map((file) => ({ name: files.length > 1 ? "image[]" : "image", file }));
    if (this.#mask) parts.push({ name: "mask", file: this.#mask });
    return parts;
  }

  #over(event, over) {
    event.preventDefault();
    this.drop.classList.toggle("over", over);
  }

  #add(files) {
    const taken = [...files].filter((file) => TYPES.includes(file.type));
    if (!taken.length) say("Only PNG, JPEG and WebP pictures can be sent.");
    const most = this.file.multiple ? MOST : 1;
    this.#files = (this.file.multiple ? [...this.#files, ...taken] : taken).slice(0, most);
    this.file.value = "";
    this.#draw();
  }

  #remove(file) {
    this.#files = this.#files.filter((each) => each !== file);
    this.#draw();
    this.file.focus();
  }

  #draw() {
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    this.#bitmap = null;
    this.#mask = null;
    this.list.replaceChildren(
      ...this.#files.map((file) => {
        const url = URL.createObjectURL(file);
        this.#urls.push(url);
        return h(
          "li",
          {},
          h("img", { src: url, alt: "" }),
          h("span", {}, file.name, h("small", {}, bytes(file.size))),
          h(
            "button",
            { type: "button", class: "quiet", "aria-label": `Remove ${file.name}`, onclick: () => this.#remove(file) },
            "×",
          ),
        );
      }),
    );
    this.#offerMask();
  }

  #offerMask() {
    this.paint.hidden = !this.masked || !this.#files.length;
    this.paint.textContent = this.#mask ? "Change the mask" : "Paint a mask";
    this.dropMask.hidden = !this.masked || this.#mask === null;
    this.list.classList.toggle("masked", Boolean(this.masked && this.#mask));
  }

  #setMask(mask) {
    this.#mask = mask;
    this.#offerMask();
    this.paint.focus();
  }

  async #paint() {
    this.#bitmap ??= await createImageBitmap(this.#files[0]).catch(() => null);
    if (this.#bitmap === null) {
      say("This picture cannot be read.");
      return;
    }
    const mask = await this.editor.ask(this.#bitmap);
    if (mask !== undefined) this.#setMask(mask);
    else this.paint.focus();
  }
}
