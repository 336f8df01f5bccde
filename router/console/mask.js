// Paints a mask over a picture: what is painted may change. By pointer, or by keys alone.

import { h } from "./dom.js";

const STEP = 12; // of the picture's longer side, in thousandths, for one press of an arrow
const INK = "#ff3d7f";

export class MaskEditor {
  #strokes = [];
  #tool = "brush";
  #size = 80; // thousandths of the picture's longer side
  #drawing = null;
  #spot = { x: 0, y: 0 };

  constructor() {
    this.picture = h("canvas", { class: "picture", "aria-hidden": "true" });
    this.paint = h("canvas", {
      class: "paint",
      tabindex: "0",
      role: "application",
      "aria-label":
        "Mask. Arrow keys move the brush, Space paints, B brush, E eraser, Z undo, brackets change its size.",
    });
    this.ring = h("span", { class: "ring", "aria-hidden": "true", hidden: true });
    this.tools = ["brush", "eraser"].map((tool) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(tool === "brush"), "data-tool": tool, onclick: () => this.#use(tool) },
        tool === "brush" ? "Brush" : "Eraser",
      ),
    );
    this.slider = h("input", {
      type: "range",
      min: 10,
      max: 300,
      value: this.#size,
      "aria-label": "Brush size",
      oninput: () => this.#resize(Number(this.slider.value)),
    });
    this.undo = h("button", { type: "button", disabled: true, onclick: () => this.#undo() }, "Undo");
    this.clear = h("button", { type: "button", disabled: true, onclick: () => this.#undo(true) }, "Clear");
    this.element = h(
      "dialog",
      { class: "mask-editor", "aria-label": "Paint a mask" },
      h(
        "div",
        { class: "tools", role: "toolbar", "aria-label": "Mask" },
        this.tools,
        h("label", { class: "size" }, "Size", this.slider),
        this.undo,
        this.clear,
      ),
      h("div", { class: "easel" }, h("div", { class: "sheet" }, this.picture, this.paint, this.ring)),
      h(
        "div",
        { class: "done" },
        h("p", {}, "Only what you paint is drawn anew."),
        h("button", { type: "button", class: "quiet", onclick: () => this.element.close("cancel") }, "Cancel"),
        h("button", { type: "button", class: "primary", onclick: () => this.element.close("use") }, "Use mask"),
      ),
    );
    this.#listen();
  }

  /** The mask of a picture as a file, null where nothing is painted; undefined where the painter thought better of it. */
  async ask(bitmap) {
    for (const canvas of [this.picture, this.paint]) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    this.picture.getContext("2d").drawImage(bitmap, 0, 0);
    this.element.querySelector(".sheet").style.setProperty("aspect-ratio", `${bitmap.width} / ${bitmap.height}`);
    this.element.querySelector(".sheet").style.setProperty("--ratio", String(bitmap.width / bitmap.height));
    this.#strokes = this.#of === bitmap ? this.#strokes : [];
    this.#of = bitmap;
    this.#spot = { x: bitmap.width / 2, y: bitmap.height / 2 };
    const before = [...this.#strokes];
    this.#draw();
    this.element.returnValue = "cancel";
    this.element.showModal();
    this.paint.focus();
    await new Promise((resolve) => this.element.addEventListener("close", resolve, { once: true }));
    if (this.element.returnValue === "use") return this.#file();
    this.#strokes = before;
    return undefined;
  }

  #of = null;

  #listen() {
    this.paint.addEventListener("pointerdown", (event) => {
      this.paint.setPointerCapture(event.pointerId);
      this.#begin(this.#place(event));
    });
    this.paint.addEventListener("pointermove", (event) => {
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.#move(this.#place(each));
      this.#move(this.#place(event));
    });
    for (const name of ["pointerup", "pointercancel"]) this.paint.addEventListener(name, () => (this.#drawing = null));
    this.paint.addEventListener("pointerleave", () => (this.ring.hidden = true));
    this.paint.addEventListener("focus", () => this.#show());
    this.paint.addEventListener("keydown", (event) => this.#key(event));
    this.paint.addEventListener("keyup", (event) => event.key === " " && (this.#drawing = null));
  }

  #key(event) {
    const reach = (event.shiftKey ? 4 : 1) * (STEP / 1000) * this.#longest;
    const moves = { ArrowLeft: [-reach, 0], ArrowRight: [reach, 0], ArrowUp: [0, -reach], ArrowDown: [0, reach] };
    const acts = {
      b: () => this.#use("brush"),
      e: () => this.#use("eraser"),
      z: () => this.#undo(),
      "[": () => this.#resize(this.#size - 10),
      "]": () => this.#resize(this.#size + 10),
    };
    if (moves[event.key]) {
      const [x, y] = moves[event.key];
      this.#move({ x: clamp(this.#spot.x + x, this.paint.width), y: clamp(this.#spot.y + y, this.paint.height) });
    } else if (event.key === " ") {
      if (!event.repeat) this.#begin(this.#spot);
    } else if (acts[event.key.toLowerCase()]) acts[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  }

  get #longest() {
    return Math.max(this.paint.width, this.paint.height);
  }

  get #across() {
    return (this.#size / 1000) * this.#longest;
  }

  #place(event) {
    const box = this.paint.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.paint.width,
      y: ((event.clientY - box.top) / box.height) * this.paint.height,
    };
  }

  #begin(spot) {
    this.#drawing = { erase: this.#tool === "eraser", across: this.#across, points: [spot] };
    this.#strokes.push(this.#drawing);
    this.#spot = spot;
    this.#draw();
  }

  #move(spot) {
    this.#spot = spot;
    this.#show();
    if (!this.#drawing) return;
    this.#drawing.points.push(spot);
    stroke(this.paint.getContext("2d"), { ...this.#drawing, points: this.#drawing.points.slice(-2) });
  }

  #use(tool) {
    this.#tool = tool;
    for (const button of this.tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  }

  #resize(size) {
    this.#size = Math.min(300, Math.max(10, size));
    this.slider.value = this.#size;
    this.#show();
  }

  #undo(all = false) {
    if (all) this.#strokes = [];
    else this.#strokes.pop();
    this.#drawing = null;
    this.#draw();
    if (document.activeElement?.disabled) this.paint.focus();
  }

  #draw() {
    const pen = this.paint.getContext("2d");
    pen.clearRect(0, 0, this.paint.width, this.paint.height);
    for (const each of this.#strokes) stroke(pen, each);
    const none = !this.#strokes.length;
    if (none && this.element.contains(document.activeElement) && document.activeElement !== this.slider)
      this.paint.focus();
    this.undo.disabled = this.clear.disabled = none;
    this.#show();
  }

  #show() {
    const share = this.paint.getBoundingClientRect().width / this.paint.width;
    this.ring.hidden = !this.element.open;
    this.ring.style.setProperty("width", `${this.#across * share}px`);
    this.ring.style.setProperty("left", `${this.#spot.x * share}px`);
    this.ring.style.setProperty("top", `${this.#spot.y * share}px`);
  }

  /** The mask as clients send it: transparent where the picture may change, with hard edges. */
  async #file() {
    const { width, height } = this.paint;
    const painted = this.paint.getContext("2d").getImageData(0, 0, width, height);
    let any = false;
    for (let at = 3; at < painted.data.length; at += 4) {
      const inside = painted.data[at] > 127;
      any ||= inside;
      painted.data.fill(inside ? 0 : 255, at - 3, at + 1);
    }
    if (!any) return null;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(painted, 0, 0);
    return new File([await canvas.convertToBlob({ type: "image/png" })], "mask.png", { type: "image/png" });
  }
}

function stroke(pen, { erase, across, points }) {
  pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
  pen.strokeStyle = INK;
  pen.lineWidth = across;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(points[0].x, points[0].y);
  for (const { x, y } of points) pen.lineTo(x, y);
  pen.lineTo(points.at(-1).x + 0.01, points.at(-1).y); // so that a dab leaves a dot
  pen.stroke();
}

function clamp(value, most) {
  return Math.min(Math.max(value, 0), most);
}
