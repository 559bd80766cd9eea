/* The drawing of a graph: Cytoscape pans, zooms and draws edges and the far view; from near, cards lie over it.
   What belongs here: drawing, moving about, focus. Not: which nodes there are (model.js), what opening one means (node_page.js). */

import cytoscape from "../../vendor/cytoscape.esm.min.mjs";
import { h } from "../dom.js";
import { kindOf } from "../kinds.js";
import { label } from "../format.js";
import { BigPicture } from "./big.js";
import { card } from "./cards.js";
import { arrange, asGiven, curve, HEAD, heightOf, ROW, WIDTH } from "./layout.js";
import { canvasStyle } from "./style.js";

const BIG = 600; // nodes, from where on the server's places are taken as they are, and drawn by big.js
const FAR = 0.45; // zoom, below which there are no cards
const MANY = 160; // cards, from where on only those in sight exist
const LEAST = 0.03;
const MOST = 2;
const EDGE = 40; // free space around what is fitted

export class GraphView {
  /* does: {select(id), enter(id), expand(id, way), column(id, name), open(id), begin(id), list()} */
  constructor(place, does) {
    this.does = { ...does, focused: (id) => (this.current = id), select: (id) => this.moved || does.select(id) };
    this.place = place;
    this.canvas = h("div.canvas", { role: "group", "aria-label": "Graph", "aria-describedby": "graph-hint" });
    this.cards = h("div.cards");
    place.append(this.canvas);
    this.cy = cytoscape({
      container: this.canvas, style: canvasStyle(), minZoom: LEAST, maxZoom: MOST, autoungrabify: true, autounselectify: true,
      boxSelectionEnabled: false, hideEdgesOnViewport: false, textureOnViewport: false,
    });
    this.picture = new BigPicture(this.canvas);
    this.canvas.append(this.cards);
    this.elements = new Map();
    this.places = new Map();
    this.cy.on("render", () => this.follow());
    this.cy.on("tap", (event) => {
      const id = this.big && event.target === this.cy && this.cards.hidden && this.picture.at(event.position);
      if (id) does.select(id);
    });
    this.cy.on("mousemove", (event) => {
      const id = this.big && this.cards.hidden && this.picture.at(event.position);
      this.canvas.title = id ? this.shown.get(id).name : "";
    });
    this.cy.on("tap", "node", (event) => this.cards.hidden && does.select(event.target.id()));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("pointerdown", (event) => (this.pressed = [event.clientX, event.clientY]), true);
    this.canvas.addEventListener("pointerup", (event) => {
      const [x, y] = this.pressed ?? [event.clientX, event.clientY];
      this.moved = Math.hypot(event.clientX - x, event.clientY - y) > 6; // a pan is no click
    }, true);
    this.canvas.addEventListener("dblclick", (event) => {
      const found = event.target.closest?.(".card-main")?.parentElement;
      if (found) does.begin(found.dataset.id);
    });
    this.repaint = () => {
      this.picture.colours();
      this.cy.style(canvasStyle());
    };
    addEventListener("theme", this.repaint);
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.canvas);
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

  /* Draws what the model shows; `keep` is the node that must not move on the screen. */
  draw(model, { selected = null, keep = null } = {}) {
    this.model = model;
    this.selected = selected;
    this.seen = model.visible(selected);
    const { edges, path } = this.seen;
    const nodes = [...this.seen.nodes.values()];
    this.big = nodes.length > BIG;
    this.rows = new Map(this.big ? [] : nodes.map((node) => [node.id, model.rows(node, path)]));
    const tall = (id) => heightOf(this.rows.get(id)?.length ?? 0);
    const before = keep ? this.onScreen(keep) : null;
    const laid = this.big ? asGiven(nodes) : arrange(nodes, edges, tall);
    this.places = laid.places;
    this.routes = laid.routes;
    this.domains = new Set(nodes.map((node) => node.domain)).size;
    this.shown = this.seen.nodes;
    this.current = this.shown.has(this.current) ? this.current : selected ?? model.root ?? nodes[0]?.id;
    this.faded = path ? new Set(nodes.filter((node) => !path.columns.has(node.id)).map((node) => node.id)) : new Set();
    this.cy.batch(() => {
      this.cy.elements().remove();
      if (!this.big) this.cy.add([...this.nodeElements(nodes, tall), ...this.edgeElements(edges), ...this.columnElements()]);
    });
    if (this.big) {
      const lit = (path?.edges ?? []).map(({ source, target }) => ({ source: source.node, target: target.node }));
      this.picture.show({ nodes, edges, places: this.places, faded: this.faded, lit });
    } else this.picture.hide();
    this.canvas.setAttribute("aria-label", `Graph of ${nodes.length} nodes`);
    this.cards.replaceChildren();
    this.elements.clear();
    const after = before && this.onScreen(keep);
    this.canvas.dataset.nodes = nodes.length;
    if (after) this.cy.panBy({ x: before.x - after.x, y: before.y - after.y });
    this.follow();
  }

  clear() {
    this.model = null;
    this.picture.hide();
    this.shown = new Map();
    this.cy.elements().remove();
    this.cards.replaceChildren();
    this.elements.clear();
  }

  onScreen(id) {
    const place = this.places.get(id);
    if (!place) return null;
    const [pan, zoom] = [this.cy.pan(), this.cy.zoom()];
    return { x: place.x * zoom + pan.x, y: place.y * zoom + pan.y };
  }

  nodeElements(nodes, tall) {
    return nodes.map((node) => ({
      group: "nodes",
      data: { id: node.id, kind: kindOf(node.kind).key, health: node.health, height: tall(node.id), label: label(node.name, kindOf(node.kind).key) },
      position: { ...this.places.get(node.id) },
      classes: [node.fresh === false && "stale", node.id === this.selected && "selected", this.faded.has(node.id) && "faded"].filter(Boolean),
    }));
  }

  edgeElements(edges) {
    const lit = new Set((this.seen.path?.edges ?? []).map((edge) => `${edge.source.node} ${edge.target.node}`));
    return edges.filter((edge) => !lit.has(edge.id)).map((edge) => ({
      group: "edges",
      data: { id: `edge ${edge.id}`, source: edge.source, target: edge.target, ...this.run(edge.source, edge.target, HEAD / 2, HEAD / 2) },
      classes: [this.wholly(edge) ? "column" : this.seen.path ? "faded" : (edge.source === this.selected || edge.target === this.selected) && "near"].filter(Boolean),
    }));
  }

  /* An edge of a column's path at which no columns are told. */
  wholly({ source, target }) {
    const { path } = this.seen;
    return Boolean(path && (path.whole.has(source) || path.whole.has(target)) && path.columns.has(source) && path.columns.has(target));
  }

  columnElements() {
    return (this.seen.path?.edges ?? [])
      .filter((edge) => this.shown.has(edge.source.node) && this.shown.has(edge.target.node) && edge.source.node !== edge.target.node)
      .map((edge, at) => ({
        group: "edges",
        data: { id: `column ${at}`, source: edge.source.node, target: edge.target.node, ...this.run(edge.source.node, edge.target.node, this.rowAt(edge.source), this.rowAt(edge.target)) },
        classes: ["column", edge.type === "INDIRECT" && "indirect", edge.masking && "masked"].filter(Boolean),
      }));
  }

  rowAt({ node, column }) {
    const at = (this.rows.get(node) ?? []).findIndex((row) => row.name === column);
    return at < 0 ? HEAD / 2 : HEAD + at * ROW + ROW / 2;
  }

  /* Ends are told from a node's centre; `from` and `to` from its top. */
  run(source, target, from, to) {
    const [a, b] = [this.places.get(source), this.places.get(target)];
    const top = (id) => -heightOf(this.rows.get(id).length) / 2;
    const [dy, ey] = [top(source) + from, top(target) + to];
    const lanes = this.routes.get(`${source} ${target}`) ?? [];
    return { from: `${WIDTH / 2}px ${dy}px`, to: `${-WIDTH / 2}px ${ey}px`, ...curve([a.x, a.y + dy], [b.x, b.y + ey], lanes) };
  }

  /* The cards go where the canvas is; of many only those in sight exist. */
  follow() {
    if (!this.model) return;
    const [pan, zoom] = [this.cy.pan(), this.cy.zoom()];
    const far = zoom < FAR;
    if (this.big) this.picture.draw({ pan, zoom, selected: this.selected, width: this.cy.width(), height: this.cy.height(), carded: !far });
    if (this.cards.hidden !== far) {
      this.cards.hidden = far;
      if (far && this.shown.size > MANY) {
        this.cards.replaceChildren();
        this.elements.clear();
      }
      if (far) this.cy.nodes(".carded").removeClass("carded");
      else this.carded([...this.elements.keys()], true);
    }
    if (far) return;
    this.cards.style.transform = `translate(${pan.x}px, ${pan.y}px) scale(${zoom})`;
    const { x1, x2, y1, y2 } = this.cy.extent();
    const all = this.shown.size <= MANY;
    const [come, gone] = [[], []];
    for (const [id, node] of this.shown) {
      const { x, y } = this.places.get(id);
      const half = heightOf(this.rows.get(id)?.length ?? 0) / 2;
      const seen = all || (x + WIDTH > x1 && x - WIDTH < x2 && y + half + HEAD > y1 && y - half - HEAD < y2);
      const known = this.elements.get(id);
      if (seen && !known) {
        this.makeCard(node, x, y - half);
        come.push(id);
      } else if (!seen && known && !known.contains(document.activeElement)) {
        known.remove();
        this.elements.delete(id);
        gone.push(id);
      }
    }
    this.carded(come, true);
    this.carded(gone, false);
  }

  /* What has a card is not drawn on the canvas as well. */
  carded(ids, on) {
    if (ids.length) this.cy.batch(() => ids.forEach((id) => this.cy.getElementById(id).toggleClass("carded", on)));
  }

  makeCard(node, x, y) {
    const element = card(node, {
      model: this.model, seen: this.seen, domains: this.domains, rows: this.rows.get(node.id) ?? [], selected: node.id === this.selected, tabbable: node.id === this.current, faded: this.faded.has(node.id),
    }, this.does);
    element.style.transform = `translate(${x - WIDTH / 2}px, ${y}px)`;
    element.style.width = `${WIDTH}px`;
    this.elements.set(node.id, element);
    this.cards.append(element);
  }

  /* Marks another node as the selected one, without drawing all anew. */
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
    if (this.big) this.follow();
  }

  makeCurrent(id) {
    this.current = id;
    for (const [other, element] of this.elements) element.querySelector(".card-main").tabIndex = other === id ? 0 : -1;
  }

  /* Where one begins to look: all of it when that can be read, else the place that the graph is about. */
  begin() {
    if (!this.shown?.size) return;
    this.resize();
    this.fit(1);
    const about = this.shown.get(this.selected) ?? this.shown.get(this.model.root);
    if (this.cy.zoom() < 0.6 && about) {
      this.cy.zoom(0.75);
      this.center(about.id);
      this.fill();
    }
  }

  /* Without empty space on one side while the other side is cut off. */
  fill() {
    const [pan, zoom, all] = [this.cy.pan(), this.cy.zoom(), this.box()];
    const box = { x1: all.x1 * zoom + pan.x, x2: all.x2 * zoom + pan.x, y1: all.y1 * zoom + pan.y, y2: all.y2 * zoom + pan.y };
    const by = (from, to, size) => {
      if (to - from <= size - 2 * EDGE) return (size - from - to) / 2;
      if (to < size - EDGE) return Math.min(size - EDGE - to, EDGE - from);
      return from > EDGE ? Math.max(EDGE - from, size - EDGE - to) : 0;
    };
    this.cy.panBy({ x: by(box.x1, box.x2, this.cy.width()), y: by(box.y1, box.y2, this.cy.height()) });
  }

  /* The box around nodes, from their places: Cytoscape would measure every label and curve anew. */
  box(ids = this.shown.keys()) {
    const box = { x1: Infinity, x2: -Infinity, y1: Infinity, y2: -Infinity };
    for (const id of ids) {
      const { x, y } = this.places.get(id);
      const half = heightOf(this.rows.get(id)?.length ?? 0) / 2;
      box.x1 = Math.min(box.x1, x - WIDTH / 2);
      box.x2 = Math.max(box.x2, x + WIDTH / 2);
      box.y1 = Math.min(box.y1, y - half);
      box.y2 = Math.max(box.y2, y + half);
    }
    return box;
  }

  fit(nearest = 1.2, ids = undefined) {
    const { x1, x2, y1, y2 } = this.box(ids);
    const [width, height] = [this.cy.width(), this.cy.height()];
    const zoom = Math.min((width - 2 * EDGE) / (x2 - x1), (height - 2 * EDGE) / (y2 - y1), nearest);
    if (!Number.isFinite(zoom) || zoom <= 0) return;
    const level = Math.max(LEAST, zoom);
    this.cy.viewport({ zoom: level, pan: { x: width / 2 - ((x1 + x2) / 2) * level, y: height / 2 - ((y1 + y2) / 2) * level } });
  }

  zoomTo(level) {
    this.cy.zoom({ level, renderedPosition: { x: this.cy.width() / 2, y: this.cy.height() / 2 } });
  }

  zoomBy(factor) {
    this.zoomTo(Math.min(MOST, Math.max(LEAST, this.cy.zoom() * factor)));
  }

  center(id) {
    const { x, y } = this.places.get(id);
    const zoom = this.cy.zoom();
    this.cy.pan({ x: this.cy.width() / 2 - x * zoom, y: this.cy.height() / 2 - y * zoom });
  }

  /* Moves no more than needed for a node to be seen whole. */
  reveal(id) {
    const at = this.onScreen(id);
    if (!at) return;
    const zoom = this.cy.zoom();
    const [w, tall] = [(WIDTH / 2 + 24) * zoom, (heightOf(this.rows.get(id)?.length ?? 0) / 2 + 20) * zoom];
    const by = (place, half, size) => (place - half < 0 ? half - place : place + half > size ? size - place - half : 0);
    this.cy.panBy({ x: by(at.x, w, this.cy.width()), y: by(at.y, tall, this.cy.height()) });
  }

  focus(id = this.current) {
    if (!this.shown.has(id)) return;
    if (this.cy.zoom() < FAR) this.zoomTo(0.7);
    this.reveal(id);
    this.follow();
    this.makeCurrent(id);
    this.elements.get(id)?.querySelector(".card-main").focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const id = this.current;
    const act = {
      ArrowLeft: () => this.step(id, "up"), ArrowRight: () => this.step(id, "down"), ArrowUp: () => this.beside(id, -1), ArrowDown: () => this.beside(id, 1),
      Home: () => this.focus(this.model.root ?? id), u: () => this.does.expand(id, "up"), d: () => this.does.expand(id, "down"), g: () => this.does.begin(id),
      " ": () => this.does.open(id), Enter: () => this.does.enter(id),
    }[event.key];
    if (!act || !this.shown.has(id)) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /* Along an edge: to the neighbour that stands most nearly on the same height. */
  step(id, way) {
    const here = this.places.get(id);
    const next = [...(this.seen[way].get(id) ?? [])];
    const nearest = next.sort((a, b) => this.away(here, a) - this.away(here, b))[0];
    if (nearest) this.focus(nearest);
  }

  away({ x, y }, id) {
    const other = this.places.get(id);
    return Math.abs(other.y - y) + Math.abs(other.x - x) / 3;
  }

  /* To the next one above or below, of the same layer if there is one. */
  beside(id, by) {
    const here = this.places.get(id);
    const far = (other) => Math.abs(other.y - here.y) + 10 * Math.abs(other.x - here.x);
    const others = [...this.shown.keys()].filter((other) => (this.places.get(other).y - here.y) * by > 1);
    const next = others.sort((a, b) => far(this.places.get(a)) - far(this.places.get(b)))[0];
    if (next) this.focus(next);
  }
}
