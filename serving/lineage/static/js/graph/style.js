/* The style of nodes and edges on the canvas; colors come from the page's CSS, so that each scheme is defined once.
   What belongs here: Cytoscape's style. Not: the cards, which are HTML (cards.js, graph.css). */

import { colorsOf, kindOf, order } from "../kinds.js";
import { WIDTH } from "./layout.js";

export function canvasStyle() {
  const css = getComputedStyle(document.documentElement);
  const color = (name) => css.getPropertyValue(`--${name}`).trim();
  const far = { "font-size": 24, "min-zoomed-font-size": 8 };
  return [
    {
      selector: "node",
      style: {
        width: WIDTH,
        height: "data(height)",
        "background-color": color("paper"),
        "border-width": 2,
        "border-color": color("line-strong"),
        label: "data(label)",
        color: color("ink"),
        "font-family": "system-ui, sans-serif",
        "font-weight": 600,
        "text-valign": "center",
        "text-halign": "center",
        "text-wrap": "ellipsis",
        "text-max-width": WIDTH + 44,
        "overlay-opacity": 0,
        "z-index": 2,
        ...far,
      },
    },
    ...order.map((kind) => {
      const { color: border, wash } = colorsOf(kind);
      return { selector: `node[kind = "${kind}"]`, style: { shape: kindOf(kind).shape, "border-color": border, "background-color": wash } };
    }),
    { selector: "node[health = 'fail']", style: { "border-color": color("bad"), "border-width": 8, "border-style": "double" } },
    { selector: "node[health = 'warn'], node.stale", style: { "border-color": color("warn"), "border-width": 5, "border-style": "dashed" } },
    { selector: "node.selected", style: { "outline-width": 6, "outline-color": color("accent"), "outline-offset": 4 } },
    { selector: "node.faded", style: { opacity: 0.3 } },
    { selector: "node.carded", style: { opacity: 0 } },
    {
      selector: "edge",
      style: {
        "curve-style": "unbundled-bezier",
        "control-point-weights": (edge) => edge.data("shares"),
        "control-point-distances": (edge) => edge.data("distances"),
        "source-endpoint": (edge) => edge.data("from"),
        "target-endpoint": (edge) => edge.data("to"),
        "edge-distances": "endpoints",
        width: 1.6,
        "line-color": color("edge"),
        "target-arrow-color": color("edge"),
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.85,
        "overlay-opacity": 0,
        events: "no",
      },
    },
    { selector: "edge.near", style: { "line-color": color("accent"), "target-arrow-color": color("accent"), width: 2.4, "z-index": 3 } },
    { selector: "edge.faded", style: { opacity: 0.18 } },
    { selector: "edge.column", style: { "line-color": color("lit"), "target-arrow-color": color("lit"), width: 2.2, "z-index": 4 } },
    { selector: "edge.indirect", style: { "line-style": "dashed", "line-dash-pattern": [5, 4], width: 1.8 } },
    { selector: "edge.masked", style: { "line-style": "dotted" } },
  ];
}
