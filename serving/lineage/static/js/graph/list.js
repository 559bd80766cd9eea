/* The graph as a table, with the same nodes and edges. What belongs here: that table. */

import { healthWord, stateBadges } from "../badges.js";
import { h, table } from "../dom.js";
import { ago, count } from "../format.js";
import { kindOf, nameOf, nodeLink } from "../kinds.js";

const NAMED = 6;

export function listOf(model, link) {
  const visible = model.visible();
  const nodes = [...visible.nodes.values()];
  const up = model.root ? model.distances(model.root, "up") : new Map();
  const down = model.root ? model.distances(model.root, "down") : new Map();
  const one = (id) => visible.nodes.get(id)?.members?.[0].id ?? id;
  const place = (id) => (id === model.root ? 0 : up.has(one(id)) ? -up.get(one(id)) : down.get(one(id)) ?? 0);
  const where = (id) => {
    if (id === model.root) return "root";
    if (up.has(one(id))) return `${up.get(one(id))} upstream`;
    return down.has(one(id)) ? `${down.get(one(id))} downstream` : "not connected";
  };
  const rows = [...nodes].sort((a, b) => place(a.id) - place(b.id) || a.layer - b.layer || a.name.localeCompare(b.name));
  const names = (ids) => {
    const all = [...(ids ?? [])].map((id) => visible.nodes.get(id)?.name).filter(Boolean).sort();
    if (!all.length) return h("span.soft", {}, "none");
    return [all.slice(0, NAMED).map((name, at) => [at ? ", " : "", nameOf(name)]), all.length > NAMED ? ` and ${all.length - NAMED} more` : ""];
  };
  return h("div.graph-list", {},
    model.path ? pathTable(model) : null,
    table(`${count(nodes.length, "node")} of the graph`, ["Name", ...(model.root ? ["Distance"] : []), "Kind", "Owner", "State", "Updated", "Upstream", "Downstream"],
      rows.map((node) => h("tr", { class: node.id === model.root ? "here" : "" },
        h("th", { scope: "row" }, node.members ? filesOf(node, link) : h("a.node-link", { href: link(node) }, nameOf(node.name))),
        model.root ? h("td", {}, where(node.id)) : null,
        h("td", {}, kindOf(node.kind).label),
        h("td", {}, node.owner ?? ""),
        h("td", {}, stateBadges(node).length ? stateBadges(node) : healthWord(node.health)),
        h("td.nowrap", {}, ago(node.updated)),
        h("td", {}, names(visible.up.get(node.id))),
        h("td", {}, names(visible.down.get(node.id))))), { class: "dense" }));
}

function filesOf(stack, link) {
  return h("details", {}, h("summary", {}, stack.name), h("ul", {}, stack.members.map((file) => h("li", {}, h("a", { href: link(file) }, file.name)))));
}

function pathTable(model) {
  const { at, edges } = model.path;
  const end = ({ node, column }) => nodeLink(model.nodes.get(node) ?? { name: node }, { column }, column);
  return [
    h("h2", {}, "Lineage of ", h("code", {}, at.column)),
    table(`Lineage of ${at.column}`, ["From", "To", "Transformation"], edges.map((edge) => h("tr", {}, h("td", {}, end(edge.source)), h("td", {}, end(edge.target)), h("td", {}, transformation(edge)))), { class: "dense" }),
    h("h2", {}, "Nodes"),
  ];
}

export const transformation = (edge) => [String(edge.subtype ?? edge.type ?? "").toLowerCase(), edge.type === "INDIRECT" && "indirect", edge.masking && "masked"].filter(Boolean).join(", ");
