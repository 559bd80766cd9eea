/* Kinds of nodes, as the server describes them (`GET api/v1/kinds`: lakehouse/kinds, serving/lineage/kinds.py).
   What belongs here: loading and showing them. Not: a list of kinds, nor states of a node (badges.js). */

import * as api from "./api.js";
import { h, svg } from "./dom.js";
import { toNode } from "./routes.js";
import { named } from "./format.js";

const WASH = 0.12; // share of a kind's color in the background of its icon
const UNKNOWN = { name: "DATASET", label: "dataset", plural: "datasets", icon: ["M8 2a6 6 0 1 0 .01 0z"], shape: "ellipse" };

const kinds = new Map(); // by name and by alias

export let order = [];

export async function loadKinds(options) {
  if (order.length) return;
  const answer = await api.kinds(options);
  const sheet = new CSSStyleSheet(); // rules added from a script are allowed by the content security policy
  for (const kind of answer.kinds) {
    for (const name of [...kind.aliases, kind.name]) kinds.set(name, kind);
    const slug = slugOf(kind.name);
    sheet.insertRule(`:root { --kind-${slug}: ${kind.color.light}; }`, sheet.cssRules.length);
    sheet.insertRule(`:root[data-theme="dark"] { --kind-${slug}: ${kind.color.dark}; }`, sheet.cssRules.length);
    sheet.insertRule(`.kind-${slug} { --kind: var(--kind-${slug}); }`, sheet.cssRules.length);
  }
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  order = answer.kinds.map(({ name }) => name);
}

const slugOf = (name) => name.toLowerCase().replace(/[^a-z0-9]+/g, "-");

export function kindOf(kind) {
  const name = String(kind ?? "").toUpperCase().replace(/[\s-]+/g, "_");
  const known = kinds.get(name) ?? kinds.get(UNKNOWN.name) ?? UNKNOWN;
  const slug = slugOf(known.name);
  if (kinds.has(name) || !kind) return { ...known, slug };
  const label = String(kind).toLowerCase().replaceAll("_", " "); // of a producer that has kinds of its own
  return { ...known, slug, label, plural: `${label}s` };
}

/* The colors of a kind in the present scheme, for drawing on a canvas. */
export function colorsOf(kind) {
  const css = getComputedStyle(document.documentElement);
  const [color, paper] = [`--kind-${kindOf(kind).slug}`, "--paper"].map((name) => css.getPropertyValue(name).trim());
  return { color, wash: mixed(color, paper) };
}

function mixed(color, paper) {
  const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const [from, to] = [parts(color), parts(paper)];
  return `rgb(${from.map((part, at) => Math.round(part * WASH + to[at] * (1 - WASH))).join(", ")})`;
}

export function kindIcon(kind, { named: spoken = false } = {}) {
  const { slug, icon, label } = kindOf(kind);
  return h(
    "span.kind",
    { class: `kind-${slug}`, ...(spoken ? { role: "img", "aria-label": label, title: label } : { "aria-hidden": "true" }) },
    svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16 }, icon.map((d) => svg("path", { d }))),
  );
}

/* A name with its domain in a softer color. */
export function nameOf(name) {
  const [domain, rest] = named(String(name));
  return h("span.name", {}, domain && h("span.domain", {}, `${domain}.`), rest);
}

export function nodeLink(node, query, column = "") {
  return h("a.node-link", { href: toNode(node.name, query) }, node.kind && kindIcon(node.kind, { named: true }),
    h("span", {}, nameOf(node.name), column && h("code", {}, `.${column}`)));
}
