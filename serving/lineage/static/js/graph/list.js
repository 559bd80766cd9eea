/* The graph as a table: the same nodes and edges for whoever cannot, or would rather not, read a drawing.
   What belongs here: that table. */

import { healthWord, signs } from "../badges.js";
import { h, table } from "../dom.js";
import { ago, count } from "../format.js";
import { kindOf, nameOf, nodeLink } from "../kinds.js";

const NAMED = 6;

export function listOf(model, link) {
  const { nodes } = model.visible();
  const up = model.root ? model.side(model.root, "up") : new Map();
  const down = model.root ? model.side(model.root, "down") : new Map();
  const place = (id) => (id === model.root ? 0 : up.has(id) ? -up.get(id) : down.get(id) ?? 0);
  const where = (id) => {
    if (id === model.root) return "here";
    if (up.has(id)) return `${up.get(id)} upstream`;
    return down.has(id) ? `${down.get(id)} downstream` : "beside";
  };
  const rows = [...nodes].sort((a, b) => place(a.id) - place(b.id) || a.layer - b.layer || a.name.localeCompare(b.name));
  const names = (ids) => {
    const all = [...(ids ?? [])].map((id) => model.nodes.get(id)?.name).filter(Boolean).sort();
    if (!all.length) return h("span.soft", {}, "none");
    return [all.slice(0, NAMED).map((name, at) => [at ? ", " : "", nameOf(name)]), all.length > NAMED ? ` and ${all.length - NAMED} more` : ""];
  };
  return h("div.graph-list", {},
    model.path ? pathTable(model) : null,
    table(`${count(nodes.length, "node")} of the graph`, ["Name", "Where", "Kind", "Owner", "State", "Updated", "Made from", "Used by"],
      rows.map((node) => h("tr", { class: node.id === model.root ? "here" : "" },
        h("th", { scope: "row" }, h("a.node-link", { href: link(node) }, nameOf(node.name))),
        h("td", {}, where(node.id)),
        h("td", {}, kindOf(node.kind).word),
        h("td", {}, node.owner ?? ""),
        h("td", {}, signs(node).length ? signs(node) : healthWord(node.health)),
        h("td.nowrap", {}, ago(node.updated)),
        h("td", {}, names(model.up.get(node.id))),
        h("td", {}, names(model.down.get(node.id))))), { class: "dense" }));
}

function pathTable(model) {
  const { at, edges } = model.path;
  const end = ({ node, column }) => nodeLink(model.nodes.get(node) ?? { name: node }, { column }, column);
  return [
    h("h2", {}, "The path of ", h("code", {}, at.column)),
    table(`Path of ${at.column}`, ["From", "To", "How"], edges.map((edge) => h("tr", {}, h("td", {}, end(edge.source)), h("td", {}, end(edge.target)), h("td", {}, how(edge)))), { class: "dense" }),
    h("h2", {}, "The nodes"),
  ];
}

export const how = (edge) => [String(edge.subtype ?? edge.type ?? "").toLowerCase(), edge.type === "INDIRECT" && "indirect", edge.masking && "masked"].filter(Boolean).join(", ");
