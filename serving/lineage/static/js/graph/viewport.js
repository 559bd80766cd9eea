/* Pan and zoom: fitting, centering and revealing nodes, by their coordinates.
   What belongs here: the visible section of the graph. Not: what is drawn in it (view.js). */

import { heightOf, WIDTH } from "./layout.js";

export const LEAST = 0.03; // zoom
export const MOST = 2;
const EDGE = 40; // free space around what is fitted

export class Viewport {
  constructor(cy) {
    this.cy = cy;
    this.show({ places: new Map(), rows: new Map() });
  }

  show({ places, rows }) {
    this.places = places;
    this.height = (id) => heightOf(rows.get(id)?.length ?? 0);
  }

  onScreen(id) {
    const place = this.places.get(id);
    if (!place) return null;
    const [pan, zoom] = [this.cy.pan(), this.cy.zoom()];
    return { x: place.x * zoom + pan.x, y: place.y * zoom + pan.y };
  }

  /* The bounding box of nodes; Cytoscape's own would measure every label and curve. */
  box(ids = this.places.keys()) {
    const box = { x1: Infinity, x2: -Infinity, y1: Infinity, y2: -Infinity };
    for (const id of ids) {
      const { x, y } = this.places.get(id);
      const half = this.height(id) / 2;
      box.x1 = Math.min(box.x1, x - WIDTH / 2);
      box.x2 = Math.max(box.x2, x + WIDTH / 2);
      box.y1 = Math.min(box.y1, y - half);
      box.y2 = Math.max(box.y2, y + half);
    }
    return box;
  }

  /* Shows the whole graph if it is readable then, or else the section around a node. */
  begin(id) {
    this.fit(1);
    if (this.cy.zoom() >= 0.6 || !this.places.has(id)) return;
    this.cy.zoom(0.75);
    this.center(id);
    this.fill();
  }

  /* Pans so that no space is empty on one side while the graph is cut off on the other. */
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

  fit(nearest = 1.2, ids = undefined) {
    const { x1, x2, y1, y2 } = this.box(ids);
    const [width, height] = [this.cy.width(), this.cy.height()];
    const zoom = Math.min((width - 2 * EDGE) / (x2 - x1), (height - 2 * EDGE) / (y2 - y1), nearest);
    if (!Number.isFinite(zoom) || zoom <= 0) return;
    const level = Math.max(LEAST, zoom);
    this.cy.viewport({ zoom: level, pan: { x: width / 2 - ((x1 + x2) / 2) * level, y: height / 2 - ((y1 + y2) / 2) * level } });
  }

  /* Fits nodes, or where they would be too small, centers one of them. */
  fitOr(ids, id) {
    this.fit(1, ids);
    if (this.cy.zoom() >= 0.46) return;
    this.zoomTo(0.7);
    this.center(id);
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

  /* Pans no more than needed for a node to be fully visible. */
  reveal(id) {
    const at = this.onScreen(id);
    if (!at) return;
    const zoom = this.cy.zoom();
    const [wide, tall] = [(WIDTH / 2 + 24) * zoom, (this.height(id) / 2 + 20) * zoom];
    const by = (place, half, size) => (place - half < 0 ? half - place : place + half > size ? size - place - half : 0);
    this.cy.panBy({ x: by(at.x, wide, this.cy.width()), y: by(at.y, tall, this.cy.height()) });
  }
}
