// What the router would do with a request, before anything is spent.

import { dollars, h } from "./dom.js";

export function plan(explained) {
  const places = explained.chain.filter((member) => member.eligible);
  const first = places.find((member) => member.left_out === null) ?? places[0];
  return h(
    "div",
    { class: "plan" },
    h(
      "p",
      { class: "verdict" },
      h("span", {}, first ? ["Would go to ", h("b", {}, first.target)] : "No target can do what was asked."),
      h("span", { class: "estimate" }, estimate(explained)),
    ),
    h(
      "ol",
      {},
      explained.chain.map((member) => row(member, member === first)),
    ),
  );
}

function estimate({ price, at_most: most }) {
  const known = price.usd === null ? `price unknown: ${price.why}` : dollars(price.usd);
  return most.usd !== null && most.usd !== price.usd ? `${known}, at most ${dollars(most.usd)}` : known;
}

function row(member, first) {
  const state = !member.eligible ? "cannot" : member.left_out !== null ? "waits" : first ? "first" : "next";
  const words = { cannot: "not eligible", waits: "left out just now", first: "asked first", next: "if that fails" }[
    state
  ];
  return h(
    "li",
    { class: state },
    h(
      "div",
      { class: "head" },
      h("b", {}, member.target),
      h("span", { class: "state" }, words),
      h("span", { class: "cost" }, member.eligible ? dollars(member.price.usd) : ""),
    ),
    member.role !== "primary" && h("p", {}, `${member.role}: ${member.model}`),
    member.left_out !== null && h("p", {}, member.left_out),
    member.reasons.map((reason) => h("p", { class: "reason" }, reason)),
    member.warnings.map((each) => h("p", { class: "warned" }, warned(each))),
    member.requests.length > 0 && calls(member),
  );
}

export function warned(each) {
  const what = each.sent === null ? "left out" : `sent as ${each.sent}`;
  return `${each.parameter}: ${each.asked} is ${what}. ${each.reason}`;
}

function calls(member) {
  const many = member.requests.length > 1 ? `${member.requests.length} requests` : "The request";
  return h(
    "details",
    {},
    h("summary", {}, `${many} that would go out`),
    member.requests.map((request) =>
      h(
        "pre",
        { tabindex: "0", "aria-label": `${request.phase} at ${member.target}` },
        `${request.send}\n${Object.entries(request.headers)
          .map(([name, value]) => `${name}: ${value}`)
          .join("\n")}\n\n${JSON.stringify(request.body, null, 2)}`,
      ),
    ),
    member.then.map((line) => h("p", {}, `then: ${line}`)),
  );
}
