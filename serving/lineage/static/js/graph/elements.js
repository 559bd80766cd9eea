/* The elements that Cytoscape draws: nodes, edges between nodes, edges between columns, with the ends and bends of each.
   What belongs here: from what is visible to elements. Not: their style (style.js), coordinates (layout.js). */

import { kindOf } from "../kinds.js";
import { label } from "../format.js";
import { curve, HEAD, heightOf, ROW, WIDTH } from "./layout.js";

/* drawing: {visible, places, routes, rows, selected, faded} */
export function elementsOf(drawing) {
  return [...nodeElements(drawing), ...edgeElements(drawing), ...columnElements(drawing)];
}

function nodeElements({ visible, places, rows, selected, faded }) {
  return [...visible.nodes.values()].map((node) => ({
    group: "nodes",
    data: { id: node.id, kind: kindOf(node.kind).name, health: node.health, height: heightOf(rows.get(node.id)?.length ?? 0), label: label(node.name, node.kind) },
    position: { ...places.get(node.id) },
    classes: [node.up_to_date === false && "stale", node.id === selected && "selected", faded.has(node.id) && "faded"].filter(Boolean),
  }));
}

function edgeElements(drawing) {
  const { visible: { edges, path }, selected } = drawing;
  const lit = new Set((path?.edges ?? []).map((edge) => `${edge.source.node} ${edge.target.node}`));
  return edges.filter((edge) => !lit.has(edge.id)).map((edge) => ({
    group: "edges",
    data: { id: `edge ${edge.id}`, source: edge.source, target: edge.target, ...ends(drawing, edge.source, edge.target, HEAD / 2, HEAD / 2) },
    classes: [onPath(path, edge) ? "column" : path ? "faded" : (edge.source === selected || edge.target === selected) && "near"].filter(Boolean),
  }));
}

/* Whether an edge without column lineage belongs to a column's path. */
function onPath(path, { source, target }) {
  return Boolean(path && (path.whole.has(source) || path.whole.has(target)) && path.columns.has(source) && path.columns.has(target));
}

function columnElements(drawing) {
  const { nodes, path } = drawing.visible;
  return (path?.edges ?? [])
    .filter(({ source, target }) => nodes.has(source.node) && nodes.has(target.node) && source.node !== target.node)
    .map(({ source, target, type, masking }, at) => ({
      group: "edges",
      data: { id: `column ${at}`, source: source.node, target: target.node, ...ends(drawing, source.node, target.node, rowAt(drawing, source), rowAt(drawing, target)) },
      classes: ["column", type === "INDIRECT" && "indirect", masking && "masked"].filter(Boolean),
    }));
}

function rowAt({ rows }, { node, column }) {
  const at = (rows.get(node) ?? []).findIndex((row) => row.name === column);
  return at < 0 ? HEAD / 2 : HEAD + at * ROW + ROW / 2;
}

/* Cytoscape measures an edge's ends from the centers of its nodes; `from` and `to` are measured from their tops. */
function ends({ places, routes, rows }, source, target, from, to) {
  const [a, b] = [places.get(source), places.get(target)];
  const top = (id) => -heightOf(rows.get(id).length) / 2;
  const [dy, ey] = [top(source) + from, top(target) + to];
  const lanes = routes.get(`${source} ${target}`) ?? [];
  return { from: `${WIDTH / 2}px ${dy}px`, to: `${-WIDTH / 2}px ${ey}px`, ...curve([a.x, a.y + dy], [b.x, b.y + ey], lanes) };
}
