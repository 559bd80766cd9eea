/* The drawing of a graph of thousands of nodes: plain shapes and straight lines on a canvas of its own, in a few
   milliseconds, where Cytoscape would style and measure each. Cytoscape still pans and zooms; at high zoom, cards lie
   over it. What belongs here: that drawing, and which node is at a point of it. */

import { h } from "../dom.js";
import { colorsOf, kindOf } from "../kinds.js";
import { HEAD, WIDTH } from "./layout.js";

const TINY = 0.06; // zoom, below which a shape is a dot
const [HALF, TALL] = [WIDTH / 2, HEAD / 2];
const CUT = 22;

const polygon = (...points) => (pen, x, y) => {
  points.forEach(([dx, dy], at) => (at ? pen.lineTo(x + dx, y + dy) : pen.moveTo(x + dx, y + dy)));
  pen.closePath();
};
const box = (pen, x, y) => pen.rect(x - HALF, y - TALL, WIDTH, HEAD);

/* The node shapes of Cytoscape that kinds have. */
const SHAPES = {
  "cut-rectangle": polygon([-HALF, -TALL], [HALF - CUT, -TALL], [HALF, -TALL + CUT], [HALF, TALL], [-HALF, TALL]),
  barrel: (pen, x, y) => pen.roundRect(x - HALF, y - TALL, WIDTH, HEAD, [TALL]),
  "round-rectangle": box,
  hexagon: polygon([-HALF, 0], [-HALF + CUT * 2, -TALL], [HALF - CUT * 2, -TALL], [HALF, 0], [HALF - CUT * 2, TALL], [-HALF + CUT * 2, TALL]),
  "round-diamond": polygon([-HALF, 0], [0, -TALL], [HALF, 0], [0, TALL]),
  "round-octagon": polygon([-HALF, -CUT / 2], [-HALF + CUT, -TALL], [HALF - CUT, -TALL], [HALF, -CUT / 2], [HALF, CUT / 2], [HALF - CUT, TALL], [-HALF + CUT, TALL], [-HALF, CUT / 2]),
  "round-tag": polygon([-HALF, -TALL], [HALF - CUT * 2, -TALL], [HALF, 0], [HALF - CUT * 2, TALL], [-HALF, TALL]),
  ellipse: (pen, x, y) => {
    pen.moveTo(x + HALF, y);
    pen.ellipse(x, y, HALF, TALL, 0, 0, 2 * Math.PI);
  },
};

export class LargeGraph {
  constructor(place) {
    this.canvas = h("canvas.large", { "aria-hidden": "true" });
    place.append(this.canvas);
    this.readColors();
  }

  readColors() {
    const css = getComputedStyle(document.documentElement);
    this.kindColors = new Map();
    this.color = (name) => css.getPropertyValue(`--${name}`).trim();
  }

  /* lit: the edges of a column's path, as {source, target}. */
  show({ nodes, edges, places, faded, lit }) {
    Object.assign(this, { nodes, places, faded });
    this.edges = edges.map(({ source, target }) => [places.get(source), places.get(target), source, target]);
    this.lit = lit.map(({ source, target }) => [places.get(source), places.get(target)]).filter(([a, b]) => a && b);
    this.byKind = new Map();
    for (const node of nodes) {
      const { name } = kindOf(node.kind);
      if (!this.byKind.has(name)) this.byKind.set(name, []);
      this.byKind.get(name).push(node);
    }
  }

  hide() {
    this.nodes = null;
    this.canvas.hidden = true;
  }

  draw({ pan, zoom, selected, width, height, carded }) {
    if (!this.nodes) return;
    this.canvas.hidden = false;
    const dots = devicePixelRatio || 1;
    const size = [Math.round(width * dots), Math.round(height * dots)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, ...size);
    pen.setTransform(dots * zoom, 0, 0, dots * zoom, dots * pan.x, dots * pan.y);
    const [x1, y1, x2, y2] = [-pan.x / zoom - WIDTH, -pan.y / zoom - HEAD, (width - pan.x) / zoom + WIDTH, (height - pan.y) / zoom + HEAD];
    const within = (a, b) => Math.max(a.x, b.x) >= x1 && Math.min(a.x, b.x) <= x2 && Math.max(a.y, b.y) >= y1 && Math.min(a.y, b.y) <= y2;
    const lines = (pairs, color, wide, opacity) => {
      pen.beginPath();
      for (const [a, b] of pairs) {
        if (!within(a, b)) continue;
        pen.moveTo(a.x + HALF, a.y);
        pen.lineTo(b.x - HALF, b.y);
      }
      Object.assign(pen, { strokeStyle: this.color(color), lineWidth: wide / Math.max(zoom, 0.15), globalAlpha: opacity });
      pen.stroke();
    };
    lines(this.edges, "edge", 1, this.lit.length ? 0.2 : 0.55);
    lines(this.lit, "lit", 2, 1);
    if (selected) lines(this.edges.filter(([, , source, target]) => source === selected || target === selected), "accent", 2, 1);
    pen.globalAlpha = 1;
    if (carded) return; // the cards are the nodes
    for (const [kind, nodes] of this.byKind) this.shapes(pen, kind, nodes.filter((node) => within(this.places.get(node.id), this.places.get(node.id))), zoom);
    this.marks(pen, selected, zoom);
    pen.globalAlpha = 1;
  }

  shapes(pen, kind, nodes, zoom) {
    const { shape } = kindOf(kind);
    if (!this.kindColors.has(kind)) this.kindColors.set(kind, colorsOf(kind));
    const { color, wash } = this.kindColors.get(kind);
    const path = zoom < TINY ? box : SHAPES[shape] ?? box;
    for (const faded of this.faded.size ? [true, false] : [false]) {
      pen.beginPath();
      for (const node of nodes) {
        if (this.faded.has(node.id) !== faded) continue;
        const { x, y } = this.places.get(node.id);
        path(pen, x, y);
      }
      Object.assign(pen, { globalAlpha: faded ? 0.3 : 1, fillStyle: zoom < TINY ? color : wash, strokeStyle: color, lineWidth: 2 / Math.max(zoom, 0.3) });
      pen.fill();
      pen.stroke();
    }
  }

  /* Nodes that need attention have a thick frame, dashed for a warning or a stale node. */
  marks(pen, selected, zoom) {
    const frame = (nodes, color, dash) => {
      pen.beginPath();
      for (const { id } of nodes) {
        const { x, y } = this.places.get(id);
        pen.rect(x - HALF - 6, y - TALL - 6, WIDTH + 12, HEAD + 12);
      }
      Object.assign(pen, { globalAlpha: 1, strokeStyle: this.color(color), lineWidth: 2.5 / Math.max(zoom, 0.15) });
      pen.setLineDash(dash ? [14, 8] : []);
      pen.stroke();
      pen.setLineDash([]);
    };
    frame(this.nodes.filter((node) => node.health === "fail"), "bad", false);
    frame(this.nodes.filter((node) => node.health === "warn" || node.up_to_date === false), "warn", true);
    frame(this.nodes.filter((node) => node.id === selected), "accent", false);
  }

  /* The node at a point of the graph. */
  at({ x, y }) {
    return this.nodes?.find(({ id }) => Math.abs(this.places.get(id).x - x) <= HALF && Math.abs(this.places.get(id).y - y) <= TALL)?.id ?? null;
  }
}
