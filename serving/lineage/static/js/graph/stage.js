/* The graph on a page: its drawing or its list, legend, zoom buttons.
   What belongs here: switching and redrawing them. Not: what is loaded and selected (node_page.js). */

import { emptyState } from "../badges.js";
import { h } from "../dom.js";
import { legend } from "./legend.js";
import { listOf } from "./list.js";
import { GraphView } from "./view.js";

export class Stage {
  /* element: in the document already, as Cytoscape needs it to be; does: see GraphView */
  constructor(element, does) {
    this.element = element;
    this.view = new GraphView(this.element, does);
    this.viewport = this.view.viewport;
    this.element.append(legend(), h("div.zoom", { role: "group", "aria-label": "Zoom" },
      tool("+", "Zoom in (+)", () => this.viewport.zoomBy(1.3)), tool("−", "Zoom out (−)", () => this.viewport.zoomBy(1 / 1.3)), tool("⤢", "Fit all (f)", () => this.viewport.fit())));
    this.listed = false;
  }

  destroy() {
    this.view.destroy();
  }

  clear() {
    this.view.clear();
  }

  redraw(model, { selected, keep, link }) {
    this.nothing?.remove();
    if (!model.nodes.size) {
      this.view.clear();
      this.element.append(this.nothing = emptyState("No lineage yet", ["Run ", h("code", {}, "slipway demo"), ", or choose a later time."]));
      return;
    }
    this.view.draw(model, { selected, keep });
    if (this.listed) this.list(true, model, link);
  }

  list(on, model, link) {
    this.listed = on;
    this.table?.remove();
    this.table = null;
    this.element.classList.toggle("as-list", on);
    if (on) this.element.append(this.table = listOf(model, link));
  }

  showPath(id) {
    this.viewport.fitOr([...this.view.visible.path.columns.keys()], id);
  }

  /* Adapts to a new width. */
  widen(model, id) {
    this.view.resize();
    if (model.path) this.showPath(id);
    else this.view.begin();
  }

  hasFocus() {
    return this.view.canvas.contains(document.activeElement);
  }
}

function tool(sign, title, onclick) {
  return h("button.icon", { type: "button", title, "aria-label": title, onclick }, sign);
}
