/* The sheet that shows the keys. What belongs here: their list. Not: what they do, which each page says for itself. */

import { h } from "./dom.js";

const KEYS = [
  ["Everywhere", [
    ["/", "search"],
    ["?", "this sheet"],
    ["Esc", "close what is open"],
    ["Tab", "the next thing; the graph is one stop"],
  ]],
  ["In the graph", [
    ["← →", "along an edge, upstream and downstream"],
    ["↑ ↓", "to the neighbour above and below"],
    ["Enter", "open: its details, with the focus"],
    ["Space", "show or hide its columns"],
    ["u d", "expand or collapse upstream, downstream"],
    ["g", "begin the graph here"],
    ["f", "fit all"],
    ["+ −", "nearer, farther"],
    ["Home", "back to where the graph begins"],
    ["l", "the list instead of the drawing"],
    ["w", "the graph alone, over the whole width"],
  ]],
  ["As of", [["← →", "on the slider: the change before, after"], ["End", "now"]]],
];

let dialog = null;

export const keysOpen = () => Boolean(dialog?.open);

export function openKeys() {
  dialog ??= document.body.appendChild(build());
  dialog.showModal();
}

function build() {
  const close = h("button.icon", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
  return h("dialog.keys", { "aria-labelledby": "keys-title", onclick: (event) => event.target === dialog && dialog.close() },
    h("div", {},
      h("header", {}, h("h2", { id: "keys-title" }, "Keys"), close),
      KEYS.map(([place, keys]) => h("section", {}, h("h3", {}, place), h("dl", {},
        keys.map(([key, does]) => h("div", {}, h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, does))))))));
}
