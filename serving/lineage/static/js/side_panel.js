/* The panel beside the graph: a node, a stack of files, or an error. What belongs here: showing one of them, focus.
   Not: a node's details (node_panel.js). */

import { emptyState, errorState } from "./badges.js";
import { h, put } from "./dom.js";
import { when } from "./format.js";
import { nodePanel, stackPanel } from "./node_panel.js";

const NARROW = "(max-width: 52rem)"; // the panel is below the graph

export class SidePanel {
  constructor() {
    this.element = h("aside.panel", { "aria-label": "Details", tabindex: "-1" });
    this.focusNext = false;
  }

  clear() {
    put(this.element);
  }

  showNode(node, options) {
    put(this.element, nodePanel(node, options));
    this.element.scrollTop = 0;
    if (this.focusNext) this.focus();
    this.focusNext = false;
  }

  showStack(stack, options) {
    put(this.element, stackPanel(stack, options));
  }

  showError(error) {
    put(this.element, errorState(error));
  }

  showNotYet(name, at, backToNow) {
    put(this.element, emptyState("Not there yet", `${name} did not exist at ${when(at)} UTC.`, h("button", { type: "button", onclick: backToNow }, "Back to now")));
  }

  /* Without a panel, the graph has the whole width. */
  hide(hidden) {
    this.element.parentElement.classList.toggle("alone", Boolean(hidden));
  }

  focus() {
    this.element.querySelector("h1")?.focus();
  }

  hasFocus() {
    return this.element.contains(document.activeElement);
  }

  scrollIntoViewIfBelow() {
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    if (matchMedia(NARROW).matches) this.element.scrollIntoView({ block: "start", behavior });
  }
}
