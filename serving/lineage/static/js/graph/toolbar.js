/* The toolbar of a graph: direction and depth, or the domain; graph or list; the chosen column.
   What belongs here: that toolbar. */

import { h } from "../dom.js";
import { count } from "../format.js";
import { address, go } from "../routes.js";

export const DEPTH = 2;
export const UNLIMITED = 20; // steps
const MOST = 5000; // nodes

/* does: {goTo(query), widen()} */
export function toolbar({ model, query, direction, depth, domains, listed, selected, wide }, does) {
  return [
    model.root ? [directions(direction, does), depths(depth, does)] : domainChoice(domains, query),
    views(listed, does),
    h("span.soft.many", {}, count(model.visibleIds().size, "node"), model.truncated ? [", not all ", query.limit ? null : h("button.link", { type: "button", onclick: () => does.goTo({ limit: MOST }) }, "show all")] : null),
    model.path ? h("button.chip.on", { type: "button", title: "Esc", onclick: () => does.goTo({ column: "" }) }, "column ", h("code", {}, model.path.at.column), " ✕") : null,
    selected ? h("button.icon.wide", { type: "button", "aria-pressed": String(wide), title: wide ? "Show details (w)" : "Hide details (w)", "aria-label": "Hide details", onclick: does.widen }, wide ? "⇤" : "⇥") : null,
  ];
}

function directions(direction, does) {
  const button = (value, text, title) => h("button", { type: "button", title, "aria-pressed": String(direction === value), onclick: () => does.goTo({ direction: value === "both" ? "" : value }) }, text);
  return h("div.segments", { role: "group", "aria-label": "Direction" },
    button("upstream", "← Upstream", "What it depends on"), button("both", "Both"), button("downstream", "Downstream →", "What depends on it"));
}

function depths(depth, does) {
  return h("label.depth", {}, "depth ",
    h("select", { "aria-label": "Depth", onchange: (event) => does.goTo({ depth: Number(event.target.value) === DEPTH ? "" : event.target.value }) },
      [1, 2, 3, 4, 6, 8, UNLIMITED].map((steps) => h("option", { value: steps, selected: steps === depth }, steps === UNLIMITED ? "all" : steps))));
}

function domainChoice(domains, query) {
  return h("label.depth", {}, "domain ",
    h("select", { "aria-label": "Domain", onchange: (event) => go(address("graph", [], { domain: event.target.value, view: query.view })) },
      ["", ...domains].map((domain) => h("option", { value: domain, selected: domain === (query.domain ?? "") }, domain || "all"))));
}

function views(listed, does) {
  const button = (value, text) => h("button", { type: "button", "aria-pressed": String(listed === (value === "list")), onclick: () => does.goTo({ view: value }), title: "Graph or list (l)" }, text);
  return h("div.segments", { role: "group", "aria-label": "View" }, button("", "Graph"), button("list", "List"));
}
