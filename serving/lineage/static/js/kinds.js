/* What kinds of nodes there are and how each is told from the others: by its drawing, its shape, its word, and its
   colour last. What belongs here: kinds only. Not: health (badges.js). */

import { h, svg } from "./dom.js";
import { toNode } from "./routes.js";
import { named } from "./format.js";

/* shape: Cytoscape's, for the far view. paths: on 16 x 16, stroked. */
const KINDS = {
  FILE: { word: "delivered file", many: "files", shape: "cut-rectangle", paths: ["M4 1.75h5.5L12.5 5v9.25H4z", "M9.25 1.75V5.25h3.25"] },
  SOURCE: { word: "source", many: "sources", shape: "barrel", paths: ["M2.5 4c0-3 11-3 11 0v8c0 3-11 3-11 0z", "M2.5 4c0 3 11 3 11 0"] },
  TABLE: { word: "table", many: "tables", shape: "round-rectangle", paths: ["M2 3h12v10.5H2z", "M2 6.5h12M6.5 6.5v7"] },
  FEATURE_SET: { word: "feature set", many: "feature sets", shape: "hexagon", paths: ["M8 1.5l5.6 3.25v6.5L8 14.5l-5.6-3.25v-6.5z", "M5.5 9.8v-2M8 9.8V5.6M10.5 9.8V7"] },
  TRAINING_SET: { word: "training set", many: "training sets", shape: "round-diamond", paths: ["M8 1.5L14.5 8 8 14.5 1.5 8z", "M5.4 8L7.4 10l3.4-3.6"] },
  MODEL: { word: "model", many: "models", shape: "round-octagon", paths: ["M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4z", "M8 5.2a2.8 2.8 0 1 0 .01 0z"] },
  PREDICTIONS: { word: "predictions", many: "predictions", shape: "round-tag", paths: ["M1.75 3.5h8.5L14.5 8l-4.25 4.5h-8.5z", "M4.6 8h4"] },
  JOB: { word: "job", many: "jobs", shape: "ellipse", paths: ["M8 1.75a6.25 6.25 0 1 0 .01 0z", "M6.6 5.4v5.2L10.8 8z"] },
  OTHER: { word: "dataset", many: "datasets", shape: "ellipse", paths: ["M8 2a6 6 0 1 0 .01 0z"] },
};

const SAME = { VIEW: "TABLE", STREAM: "TABLE", TOPIC: "TABLE", FEATURE: "FEATURE_SET", MODEL_VERSION: "MODEL", COLUMN: "OTHER" };

export const order = Object.keys(KINDS);

export function kindOf(kind) {
  const key = String(kind ?? "").toUpperCase().replace(/[\s-]+/g, "_");
  const name = KINDS[key] ? key : SAME[key] ?? "OTHER";
  const known = KINDS[name];
  return { key: name, slug: name.toLowerCase().replace("_", "-"), ...known, word: KINDS[key] || SAME[key] || !kind ? known.word : String(kind).toLowerCase() };
}

export function kindIcon(kind, { label = false } = {}) {
  const { slug, paths, word } = kindOf(kind);
  return h(
    "span.kind",
    { class: `kind-${slug}`, ...(label ? { role: "img", "aria-label": word, title: word } : { "aria-hidden": "true" }) },
    svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16 }, paths.map((d) => svg("path", { d }))),
  );
}

/* A name as it is written everywhere: the domain softer than what it holds. */
export function nameOf(name) {
  const [domain, rest] = named(String(name));
  return h("span.name", {}, domain && h("span.domain", {}, `${domain}.`), rest);
}

export function nodeLink(node, query, column = "") {
  return h("a.node-link", { href: toNode(node.name, query) }, node.kind && kindIcon(node.kind, { label: true }),
    h("span", {}, nameOf(node.name), column && h("code", {}, `.${column}`)));
}
