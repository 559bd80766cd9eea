/* The downstream impact of a change of a column or a table: which nodes, how far away, whose. What belongs here: that page. */

import * as api from "./api.js";
import { emptyState, stateBadges } from "./badges.js";
import { copyable, h, put } from "./dom.js";
import { count } from "./format.js";
import { kindIcon, kindOf, nameOf, nodeLink } from "./kinds.js";
import { go, toImpact, toNode } from "./routes.js";

const NO_OWNER = "no owner";

export async function show(route, { content, signal }) {
  const [name, column = ""] = route.parts;
  const node = await api.nodeByName(name, "", { signal });
  const impact = await api.impact(node.id, column, { signal });
  const affected = [...(impact.affected ?? [])].sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name));
  const owners = ownersOf(affected);
  const place = h("div.distances");
  const draw = (owner) => put(place, byDistance(affected.filter((one) => owner === null || (one.owner ?? NO_OWNER) === owner), column));
  draw(null);
  put(content, h("div.page.impact", {},
    h("p.over", {}, h("a", { href: toNode(name, { column, direction: "downstream" }) }, "Show in the graph")),
    h("h1", {}, "Downstream impact of ", nameOf(name), column ? [".", h("code", {}, column)] : null),
    h("div.filters", {}, h("label.choice", {}, "column", h("select", { "aria-label": "column", onchange: (event) => go(toImpact(name, event.target.value)) },
      h("option", { value: "" }, "the whole table"),
      node.columns.map((one) => h("option", { value: one.name, selected: one.name === column }, one.name))))),
    affected.length
      ? [
        h("p.summary", {}, h("strong", {}, `${count(affected.length, "node")} downstream`), `, up to ${count(affected.at(-1).distance, "step")} away, of ${count(owners.length, "owner")}. `, kinds(affected)),
        h("div.owners", { role: "group", "aria-label": "Owners" }, ownerChip("all owners", null, affected.length, draw), owners.map(([owner, many]) => ownerChip(owner, owner, many, draw))),
        place,
      ]
      : emptyState("No downstream nodes", column ? ["No reported column depends on ", h("code", {}, column), "."] : "No reported node depends on it."),
    h("section", {}, h("h2", {}, "Copy"),
      copyable(`slipway lineage ${name}${column ? `.${column}` : ""} --downstream`, "the command"),
      affected.length ? copyable(asText(name, column, affected), "the list", { code: false }) : null)));
  const first = content.querySelector(".owners button");
  first?.setAttribute("aria-pressed", "true");
  return { title: `Downstream impact of ${name}${column ? `.${column}` : ""}` };
}

function ownersOf(affected) {
  const counts = new Map();
  for (const { owner } of affected) counts.set(owner ?? NO_OWNER, (counts.get(owner ?? NO_OWNER) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function ownerChip(text, owner, many, draw) {
  return h("button.chip", { type: "button", "aria-pressed": "false", onclick: (event) => {
    for (const other of event.currentTarget.parentElement.children) other.setAttribute("aria-pressed", String(other === event.currentTarget));
    draw(owner);
  } }, text, h("span.count", {}, many));
}

function kinds(affected) {
  const counts = new Map();
  for (const { kind } of affected) counts.set(kindOf(kind).name, (counts.get(kindOf(kind).name) ?? 0) + 1);
  return h("span.soft", {}, [...counts].map(([kind, many]) => `${many} ${many === 1 ? kindOf(kind).label : kindOf(kind).plural}`).join(", "));
}

function byDistance(affected, column) {
  const groups = new Map();
  for (const one of affected) groups.set(one.distance, [...(groups.get(one.distance) ?? []), one]);
  return [...groups].map(([distance, all]) => h("section.distance", {},
    h("h2", {}, h("span.step", {}, distance), distance === 1 ? "one step away" : `${distance} steps away`),
    h("ul.rows.card", {}, all.map((one) => h("li.row", {}, kindIcon(one.kind, { named: true }),
      h("div.what", {}, nodeLink({ name: one.name }), via(one),
        one.columns?.length ? h("p.chips", {}, one.columns.map((name) => h("a.chip", { href: toNode(one.name, { column: name }) }, h("code", {}, name)))) : null),
      h("div.aside", {}, stateBadges(one), h("span.soft", {}, one.owner ?? NO_OWNER)))))));
}

function via(one) {
  const names = one.path.slice(1, -1); // both ends are on the page already
  return names.length ? h("p.soft", {}, `via ${names.join(", ")}`) : null;
}

function asText(name, column, affected) {
  return [`Downstream of ${name}${column ? `.${column}` : ""}:`, ...affected.map((one) => `- ${one.name} (${one.owner ?? NO_OWNER}, ${count(one.distance, "step")})${one.columns?.length ? `: ${one.columns.join(", ")}` : ""}`)].join("\n");
}
