// Builds elements. Text only ever becomes text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (`onclick: f`) and children; strings and numbers become text. */
export function h(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

/** The same, of a drawing. */
export function svg(tag, given = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

function filled(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style")
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else if (["value", "checked", "disabled", "hidden", "selected"].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Said to who listens rather than looks. */
export function say(words) {
  byId("said").textContent = words;
}

/** Puts text on the clipboard, and says so on the button that asked for it. */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  say(button.textContent);
  setTimeout(() => (button.textContent = before), 1400);
}

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.0995) return `${Math.round(value * 1000)} ms`;
  return value < 9.95 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

export function dollars(value) {
  if (value === null || value === undefined) return "unknown";
  if (value === 0) return "$0";
  const places = value >= 1 ? 2 : value >= 0.01 ? 3 : 5;
  return `$${value.toFixed(places).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}

export function bytes(count) {
  return count < 1000
    ? `${count} B`
    : count < 1e6
      ? `${(count / 1e3).toFixed(0)} kB`
      : `${(count / 1e6).toFixed(1)} MB`;
}

export function plural(count, one) {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}
