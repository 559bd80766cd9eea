/* A node seen from near: a card of HTML over the canvas, so that its words are real words, its buttons real buttons.
   What belongs here: one card. Not: where it stands (layout.js), which are seen (view.js). */

import { signs, troubleWords } from "../badges.js";
import { h } from "../dom.js";
import { age, count, label, named, tail } from "../format.js";
import { kindIcon, kindOf } from "../kinds.js";
import { HEAD, heightOf } from "./layout.js";

/* does: {select, expand, column, focused} */
export function card(node, { model, seen, domains, rows, selected, tabbable, faded }, does) {
  const kind = kindOf(node.kind);
  const [domain] = named(node.name);
  const isRoot = node.id === model.root;
  const main = h(
    "button.card-main",
    {
      type: "button",
      tabindex: tabbable ? 0 : -1,
      "aria-label": spoken(node, model, seen),
      "aria-current": selected ? "true" : null,
      title: node.members ? `${node.members.at(-1).name} to ${node.members[0].name}` : node.name,
      onclick: () => does.select(node.id),
      onfocus: () => does.focused(node.id),
    },
    kindIcon(node.kind),
    h("span.card-words", {},
      h("span.card-name", {}, label(node.name, kind.key)),
      h("span.card-under", {},
        h("span.card-says", {}, [domains > 1 && domain, kind.word, node.updated && age(node.updated)].filter(Boolean).join(" · ")),
        h("span.card-signs", {}, signs(node, { small: true, always: true })))),
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
    { type: "button", tabindex: -1, class: [row.lit && "lit", here && "here"].filter(Boolean).join(" "), title: `${row.name}: its path up and down`, "aria-pressed": String(here), onclick: () => does.column(node.id, row.name) },
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

/* On the side that leads away from where the graph begins: what is hidden there, or a way to hide it. */
function edgeButton(node, way, model, does) {
  const hidden = model.hidden(node.id, way);
  const can = hidden === 0 && canCollapse(node.id, way, model);
  if (!hidden && !can) return null;
  const side = way === "up" ? "upstream" : "downstream";
  return h("button.card-edge", {
    type: "button", tabindex: -1, class: [way, hidden ? "more" : "less"].join(" "),
    title: hidden ? `Show ${hidden} more ${side} (${way[0]})` : `Hide ${side} (${way[0]})`,
    "aria-label": `${hidden ? `Expand ${hidden} ${side} of` : `Collapse ${side} of`} ${node.name}`,
    onclick: () => does.expand(node.id, way),
  }, hidden ? `+${hidden}` : "−");
}

export function canCollapse(id, way, model) {
  if (!model.root || ![...model.next(id, way)].length) return false;
  if (id === model.root) return true;
  const [own, root] = [model.nodes.get(id), model.nodes.get(model.root)];
  return way === "up" ? own.layer < root.layer : own.layer > root.layer;
}

function spoken(node, model, seen) {
  return [
    node.name,
    kindOf(node.kind).word,
    node.owner && `owner ${node.owner}`,
    ...troubleWords(node),
    count(seen.up.get(node.id)?.size ?? 0, "node") + " upstream",
    count(seen.down.get(node.id)?.size ?? 0, "node") + " downstream",
    node.id === model.root && "the graph begins here",
  ].filter(Boolean).join(", ");
}
