/* The drawing of a graph: Cytoscape pans, zooms and draws edges and nodes at low zoom; at high zoom, cards lie over it.
   What belongs here: drawing, cards, focus. Not: which nodes there are (model.js), the visible section (viewport.js). */

import cytoscape from "../../vendor/cytoscape.esm.min.mjs";
import { h } from "../dom.js";
import { LargeGraph } from "./large.js";
import { card } from "./cards.js";
import { elementsOf } from "./elements.js";
import { actionOf } from "./keyboard.js";
import { arrange, asGiven, HEAD, heightOf, WIDTH } from "./layout.js";
import { canvasStyle } from "./style.js";
import { LEAST, MOST, Viewport } from "./viewport.js";

const LARGE = 600; // nodes, from where on the server's coordinates are used as they are, and large.js draws
const FAR = 0.45; // zoom, below which there are no cards
const MANY = 160; // cards, from where on only visible ones exist

export class GraphView {
  /* does: {select(id), enter(id), expand(id, side), column(id, name), open(id), begin(id)} */
  constructor(place, does) {
    this.does = { ...does, focus: (id) => this.focus(id), focused: (id) => (this.current = id), select: (id) => this.panned || does.select(id) };
    this.canvas = h("div.canvas", { role: "group", "aria-label": "Graph", "aria-describedby": "graph-hint" });
    this.cards = h("div.cards");
    place.append(this.canvas);
    this.cy = cytoscape({
      container: this.canvas, style: canvasStyle(), minZoom: LEAST, maxZoom: MOST, autoungrabify: true, autounselectify: true,
      boxSelectionEnabled: false, hideEdgesOnViewport: false, textureOnViewport: false,
    });
    this.viewport = new Viewport(this.cy);
    this.largeGraph = new LargeGraph(this.canvas);
    this.canvas.append(this.cards);
    this.elements = new Map();
    this.shown = new Map();
    this.listen();
  }

  listen() {
    const { canvas, cy } = this;
    const under = (event) => this.large && this.cards.hidden && this.largeGraph.at(event.position);
    cy.on("render", () => this.follow());
    cy.on("tap", (event) => {
      const id = event.target === cy && under(event);
      if (id) this.does.select(id);
    });
    cy.on("mousemove", (event) => {
      const id = under(event);
      canvas.title = id ? this.shown.get(id).name : "";
    });
    cy.on("tap", "node", (event) => this.cards.hidden && this.does.select(event.target.id()));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("pointerdown", (event) => (this.pressed = [event.clientX, event.clientY]), true);
    canvas.addEventListener("pointerup", (event) => {
      const [x, y] = this.pressed ?? [event.clientX, event.clientY];
      this.panned = Math.hypot(event.clientX - x, event.clientY - y) > 6; // then the click that follows selects nothing
    }, true);
    canvas.addEventListener("dblclick", (event) => {
      const found = event.target.closest?.(".card-main")?.parentElement;
      if (found) this.does.begin(found.dataset.id);
    });
    this.repaint = () => {
      this.largeGraph.readColors();
      cy.style(canvasStyle());
    };
    addEventListener("theme", this.repaint);
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(canvas);
  }

  destroy() {
    removeEventListener("theme", this.repaint);
    this.sized.disconnect();
    this.cy.destroy();
    this.canvas.remove();
  }

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    const before = this.size;
    this.size = [width, height];
    this.cy.resize();
    if (before && before[0] === 0 && width) this.begin();
    else if (before && width) this.cy.panBy({ x: (width - before[0]) / 2, y: (height - before[1]) / 2 });
  }

  /* Draws the visible part of the model; the node `keep` stays where it is on the screen. */
  draw(model, { selected = null, keep = null } = {}) {
    this.model = model;
    this.selected = selected;
    this.visible = model.visible(selected);
    const { edges, path } = this.visible;
    const nodes = [...this.visible.nodes.values()];
    this.large = nodes.length > LARGE;
    this.rows = new Map(this.large ? [] : nodes.map((node) => [node.id, model.rows(node, path)]));
    const before = keep ? this.viewport.onScreen(keep) : null;
    const { places, routes } = this.large ? asGiven(nodes) : arrange(nodes, edges, (id) => heightOf(this.rows.get(id)?.length ?? 0));
    this.places = places;
    this.viewport.show({ places, rows: this.rows });
    this.domains = new Set(nodes.map((node) => node.domain)).size;
    this.shown = this.visible.nodes;
    this.current = this.shown.has(this.current) ? this.current : selected ?? model.root ?? nodes[0]?.id;
    this.faded = path ? new Set(nodes.filter((node) => !path.columns.has(node.id)).map((node) => node.id)) : new Set();
    const { visible, rows, faded } = this;
    this.cy.batch(() => {
      this.cy.elements().remove();
      if (!this.large) this.cy.add(elementsOf({ visible, places, routes, rows, selected, faded }));
    });
    if (this.large) {
      const lit = (path?.edges ?? []).map(({ source, target }) => ({ source: source.node, target: target.node }));
      this.largeGraph.show({ nodes, edges, places, faded, lit });
    } else this.largeGraph.hide();
    this.canvas.setAttribute("aria-label", `Graph of ${nodes.length} nodes`);
    this.canvas.dataset.nodes = nodes.length;
    this.removeCards();
    const after = before && this.viewport.onScreen(keep);
    if (after) this.cy.panBy({ x: before.x - after.x, y: before.y - after.y });
    this.follow();
  }

  clear() {
    this.model = null;
    this.largeGraph.hide();
    this.shown = new Map();
    this.cy.elements().remove();
    this.removeCards();
  }

  removeCards() {
    this.cards.replaceChildren();
    this.elements.clear();
  }

  /* Moves the cards with the canvas; of many cards only visible ones exist. */
  follow() {
    if (!this.model) return;
    const [pan, zoom] = [this.cy.pan(), this.cy.zoom()];
    const far = zoom < FAR;
    if (this.large) this.largeGraph.draw({ pan, zoom, selected: this.selected, width: this.cy.width(), height: this.cy.height(), carded: !far });
    if (this.cards.hidden !== far) {
      this.cards.hidden = far;
      if (far && this.shown.size > MANY) this.removeCards();
      if (far) this.cy.nodes(".carded").removeClass("carded");
      else this.carded([...this.elements.keys()], true);
    }
    if (far) return;
    this.cards.style.transform = `translate(${pan.x}px, ${pan.y}px) scale(${zoom})`;
    const { x1, x2, y1, y2 } = this.cy.extent();
    const all = this.shown.size <= MANY;
    const [added, removed] = [[], []];
    for (const [id, node] of this.shown) {
      const { x, y } = this.places.get(id);
      const half = heightOf(this.rows.get(id)?.length ?? 0) / 2;
      const visible = all || (x + WIDTH > x1 && x - WIDTH < x2 && y + half + HEAD > y1 && y - half - HEAD < y2);
      const known = this.elements.get(id);
      if (visible && !known) {
        this.addCard(node, x, y - half);
        added.push(id);
      } else if (!visible && known && !known.contains(document.activeElement)) {
        known.remove();
        this.elements.delete(id);
        removed.push(id);
      }
    }
    this.carded(added, true);
    this.carded(removed, false);
  }

  /* A node with a card is not drawn on the canvas as well. */
  carded(ids, on) {
    if (ids.length) this.cy.batch(() => ids.forEach((id) => this.cy.getElementById(id).toggleClass("carded", on)));
  }

  addCard(node, x, y) {
    const element = card(node, {
      model: this.model, visible: this.visible, domains: this.domains, rows: this.rows.get(node.id) ?? [], selected: node.id === this.selected, tabbable: node.id === this.current, faded: this.faded.has(node.id),
    }, this.does);
    element.style.transform = `translate(${x - WIDTH / 2}px, ${y}px)`;
    element.style.width = `${WIDTH}px`;
    this.elements.set(node.id, element);
    this.cards.append(element);
  }

  /* Marks another node as selected, without drawing the graph again. */
  select(id) {
    this.selected = id;
    this.cy.batch(() => {
      this.cy.nodes(".selected").removeClass("selected");
      this.cy.edges(".near").removeClass("near");
      this.cy.getElementById(id ?? "").addClass("selected");
      if (!this.model.path) this.cy.getElementById(id ?? "").connectedEdges().addClass("near");
    });
    for (const [other, element] of this.elements) {
      element.classList.toggle("selected", other === id);
      const main = element.querySelector(".card-main");
      if (other === id) main.setAttribute("aria-current", "true");
      else main.removeAttribute("aria-current");
    }
    if (id) this.makeCurrent(id);
    if (this.large) this.follow();
  }

  makeCurrent(id) {
    this.current = id;
    for (const [other, element] of this.elements) element.querySelector(".card-main").tabIndex = other === id ? 0 : -1;
  }

  begin() {
    if (!this.shown?.size) return;
    this.resize();
    this.viewport.begin((this.shown.get(this.selected) ?? this.shown.get(this.model.root))?.id);
  }

  focus(id = this.current) {
    if (!this.shown.has(id)) return;
    if (this.cy.zoom() < FAR) this.viewport.zoomTo(0.7);
    this.viewport.reveal(id);
    this.follow();
    this.makeCurrent(id);
    this.elements.get(id)?.querySelector(".card-main").focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.shown.has(this.current)) return;
    const at = { id: this.current, root: this.model.root, visible: this.visible, places: this.places };
    const act = actionOf(event.key, at, this.does);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
