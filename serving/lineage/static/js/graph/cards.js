/* A node at high zoom: an HTML card over the canvas, with real text and real buttons.
   What belongs here: one card. Not: its coordinates (layout.js), which are visible (view.js). */

import { stateBadges, stateWords } from "../badges.js";
import { h } from "../dom.js";
import { age, count, label, named, tail } from "../format.js";
import { kindIcon, kindOf } from "../kinds.js";
import { HEAD, heightOf } from "./layout.js";

/* does: {select(id), expand(id, side), column(id, name), open(id), focused(id)} */
export function card(node, { model, visible, domains, rows, selected, tabbable, faded }, does) {
  const kind = kindOf(node.kind);
  const [domain] = named(node.name);
  const isRoot = node.id === model.root;
  const main = h(
    "button.card-main",
    {
      type: "button",
      tabindex: tabbable ? 0 : -1,
      "aria-label": spoken(node, model, visible),
      "aria-current": selected ? "true" : null,
      title: node.members ? `${node.members.at(-1).name} to ${node.members[0].name}` : node.name,
      onclick: () => does.select(node.id),
      onfocus: () => does.focused(node.id),
    },
    kindIcon(node.kind),
    h("span.card-words", {},
      h("span.card-name", {}, label(node.name, node.kind)),
      h("span.card-under", {},
        h("span.card-text", {}, [domains > 1 && domain, kind.label, node.updated && age(node.updated)].filter(Boolean).join(" · ")),
        h("span.card-signs", {}, stateBadges(node, { small: true, always: true })))),
  );
  const element = h(
    "div.graph-card",
    { class: [`kind-${kind.slug}`, node.members && "stack", selected && "selected", isRoot && "root", faded && "faded"].filter(Boolean).join(" "), data: { id: node.id, name: node.name } },
    main,
    rows.length ? h("div.card-rows", {}, rows.map((row) => rowOf(node, row, model, does))) : null,
    node.members ? stackButton(node, does) : node.columns?.length ? columnsButton(node, model, does) : null,
    edgeButton(node, "up", model, does),
    edgeButton(node, "down", model, does),
  );
  element.style.height = `${heightOf(rows.length)}px`;
  main.style.height = `${HEAD - 2}px`;
  return element;
}

function rowOf(node, row, model, does) {
  const here = model.path?.at.node === node.id && model.path.at.column === row.name;
  return h(
    "button.card-row",
    { type: "button", tabindex: -1, class: [row.lit && "lit", here && "here"].filter(Boolean).join(" "), title: `${row.name}: show its lineage`, "aria-pressed": String(here), onclick: () => does.column(node.id, row.name) },
    h("span", {}, tail(row.name)),
    h("small", {}, row.type ?? ""),
  );
}

function columnsButton(node, model, does) {
  const open = model.open.has(node.id);
  return h("button.card-columns", { type: "button", tabindex: -1, title: `${open ? "Hide" : "Show"} columns (Space)`, "aria-label": `${open ? "Hide" : "Show"} columns of ${node.name}`, "aria-expanded": String(open), onclick: () => does.open(node.id) }, open ? "▴" : "▾");
}

function stackButton(node, does) {
  return h("button.card-columns", { type: "button", tabindex: -1, title: "Show each (Space)", "aria-label": `Show each of ${node.name}`, onclick: () => does.open(node.id) }, "⋯");
}

/* On the side that leads away from the root: expands what is hidden there, or collapses it. */
function edgeButton(node, side, model, does) {
  const hidden = model.hidden(node.id, side);
  const can = hidden === 0 && canCollapse(node.id, side, model);
  if (!hidden && !can) return null;
  const direction = side === "up" ? "upstream" : "downstream";
  return h("button.card-edge", {
    type: "button", tabindex: -1, class: [side, hidden ? "more" : "less"].join(" "),
    title: hidden ? `Expand ${hidden} more ${direction} (${side[0]})` : `Collapse ${direction} (${side[0]})`,
    "aria-label": `${hidden ? `Expand ${hidden} ${direction} of` : `Collapse ${direction} of`} ${node.name}`,
    onclick: () => does.expand(node.id, side),
  }, hidden ? `+${hidden}` : "−");
}

export function canCollapse(id, side, model) {
  if (!model.root || ![...model.next(id, side)].length) return false;
  if (id === model.root) return true;
  const [own, root] = [model.nodes.get(id), model.nodes.get(model.root)];
  return side === "up" ? own.layer < root.layer : own.layer > root.layer;
}

function spoken(node, model, visible) {
  return [
    node.name,
    kindOf(node.kind).label,
    node.owner && `owner ${node.owner}`,
    ...stateWords(node),
    count(visible.up.get(node.id)?.size ?? 0, "node") + " upstream",
    count(visible.down.get(node.id)?.size ?? 0, "node") + " downstream",
    node.id === model.root && "root of the graph",
  ].filter(Boolean).join(", ");
}
