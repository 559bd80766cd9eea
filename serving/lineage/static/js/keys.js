/* The dialog of keyboard shortcuts. What belongs here: their list. Not: their actions (app.js, node_page.js, graph/keyboard.js). */

import { h } from "./dom.js";

const KEYS = [
  ["Everywhere", [
    ["/", "search"],
    ["?", "keyboard shortcuts"],
    ["Esc", "close, or one step back"],
    ["Tab", "the next control; the graph is one stop"],
  ]],
  ["In the graph", [
    ["← →", "the upstream or downstream neighbor"],
    ["↑ ↓", "the node above or below"],
    ["Enter", "show details and move the focus there"],
    ["Space", "show or hide columns"],
    ["u d", "expand or collapse upstream, downstream"],
    ["g", "make it the root of the graph"],
    ["f", "fit all"],
    ["+ −", "zoom in, zoom out"],
    ["Home", "the root of the graph"],
    ["l", "switch between graph and list"],
    ["w", "show or hide details"],
  ]],
  ["As of", [["← →", "on the slider: the previous or next change"], ["End", "now"]]],
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
      h("header", {}, h("h2", { id: "keys-title" }, "Keyboard shortcuts"), close),
      KEYS.map(([place, keys]) => h("section", {}, h("h3", {}, place), h("dl", {},
        keys.map(([key, does]) => h("div", {}, h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, does))))))));
}
