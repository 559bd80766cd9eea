/* All that is known of a node, beside the graph. What belongs here: that panel. Not: fetching it (node_page.js). */

import { breaker, health, runState, signs } from "./badges.js";
import { copyable, facts, h, outward, table } from "./dom.js";
import { ago, count, number, seconds, shorten, value, version, when, whenExactly } from "./format.js";
import { kindIcon, kindOf, nodeLink } from "./kinds.js";
import { how } from "./graph/list.js";
import { toDiff, toImpact, toNode, toRun, toRuns } from "./routes.js";

const FEW = 8;
const FEW_CHECKS = 4;
const NAMES = 12;

export function panelOf(node, { column, at, isRoot, path, names, chooseColumn, begin, close }) {
  const kind = kindOf(node.kind);
  const owners = (node.owners ?? []).map((owner) => owner.name);
  const command = (way) => `slipway lineage ${quoted(column ? `${node.name}.${column}` : node.name)} --${way}`;
  return [
    h("header", {},
      h("p.over", {}, kindIcon(node.kind), kind.word, node.domain ? ` in ${node.domain}` : "",
        isRoot ? null : h("button.icon.close", { type: "button", "aria-label": "Close", title: "Back to where the graph begins (Esc)", onclick: close }, "✕")),
      h("h1", { tabindex: "-1" }, node.name),
      h("p.badges", {}, signs({ ...node, breaker: breakerState(node) }, { always: true }), node.fresh === true ? h("span.badge.good", {}, "◷ fresh") : null),
      description(node) ? h("p.lead", {}, description(node)) : null,
      h("div.actions", {},
        isRoot ? null : h("button", { type: "button", onclick: begin, title: "g" }, "Begin graph here"),
        h("a.button", { href: toImpact(node.name, column) }, column ? `Blast radius of ${shorten(column, 24)}` : "Blast radius"),
        (node.links ?? []).map(({ text, url }) => outward(text, url)))),
    column ? columnPart(node, column, path, names, chooseColumn) : null,
    facts([
      ["owner", owners.length ? owners.join(", ") : h("span.soft", {}, "nobody")],
      ["last update", node.updated ? h("time", { datetime: node.updated, title: whenExactly(node.updated) }, ago(node.updated), h("br"), h("span.soft", {}, when(node.updated))) : "never"],
      ["freshness", freshness(node)],
      ["contract", node.contract ? `version ${value(node.contract.version ?? node.contract)}` : null],
    ]),
    breakerPart(node),
    part("Checks", checks(node.checks ?? [], node.name), (node.checks ?? []).length),
    part("Columns", columns(node, column, chooseColumn), node.columns.length),
    part("Versions", versions(node), (node.versions ?? []).length),
    part("Runs", runs(node), (node.runs ?? []).length),
    neighbours(node, at),
    part("To copy", [
      copyable(node.name, "the name"),
      copyable(command("upstream"), "the command for upstream"),
      copyable(command("downstream"), "the command for downstream"),
      node.physical && node.physical !== node.name ? copyable(String(node.physical), "the location") : null,
    ]),
    other(node),
  ];
}

/* Many delivered files that are drawn as one. */
export function stackPanel(stack, { href, each }) {
  return [
    h("header", {},
      h("p.over", {}, kindIcon("FILE"), "delivered files"),
      h("h1", { tabindex: "-1" }, stack.name),
      h("p.badges", {}, signs(stack, { always: true })),
      h("div.actions", {}, h("button", { type: "button", onclick: each, title: "Space" }, "Show each in the graph"))),
    h("ul.neighbours", {}, stack.members.map((file) => h("li", {}, h("a", { href: href(file) }, file.name)))),
  ];
}

const quoted = (name) => (/^[\w./:@-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);
const description = (node) => node.description;
const breakerState = ({ breaker: known }) => known?.state ?? known;

function part(title, body, many = null) {
  if (many === 0 || !body) return null;
  const id = `part-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title, many ? h("span.count", {}, many) : null), body);
}

function freshness({ fresh, staleness }) {
  if (fresh === null || fresh === undefined) return null;
  return [fresh ? "in line with what it is made from" : "stale", fresh ? null : staleness?.why].filter(Boolean).join(": ");
}

function breakerPart(node) {
  const known = node.breaker;
  const state = breakerState(node);
  if (!state || state === "closed") return null;
  return h("div.note.bad", {}, h("p", {}, breaker(state) ?? String(state), known.since ? ` since ${when(known.since)} UTC` : ""), known.why ? h("p", {}, known.why) : null,
    h("p", {}, "No delivery passes until it is closed: ", h("code", {}, `slipway breaker ${node.name}`)));
}

const bare = (check, name) => (check.startsWith(`${name}.`) ? check.slice(name.length + 1) : check);

/* Those that fail first and whole; many that pass are told by their number until somebody wants to read them. */
function checks(all, name) {
  const weight = (check) => (check.passed ? 2 : String(check.severity).toLowerCase().startsWith("warn") ? 1 : 0);
  const list = (some) => h("ul.checks", {}, [...some].sort((a, b) => weight(a) - weight(b)).map((check) => checkRow(check, ["fail", "warn", "ok"][weight(check)], name)));
  const passing = all.filter((check) => check.passed);
  if (passing.length <= FEW_CHECKS) return list(all);
  const odd = all.filter((check) => !check.passed);
  return [odd.length ? list(odd) : null, h("details", {}, h("summary", {}, health("ok", { small: true }), ` ${passing.length} pass`), list(passing))];
}

function checkRow(check, tone, name) {
  const called = bare(check.name, name);
  const known = (one) => one !== null && one !== undefined;
  return h("li", { class: tone }, health(tone, { small: true }),
    h("div", {},
      h("p", {}, h("span.name", {}, called), check.column && !called.startsWith(check.column) ? h("code.soft", {}, ` ${check.column}`) : null,
        check.severity && !check.passed ? h("span.soft", {}, ` ${String(check.severity).toLowerCase()}`) : null),
      known(check.expected) || known(check.actual)
        ? h("p.soft", {}, known(check.expected) ? ["expected ", h("code", {}, value(check.expected))] : null, known(check.actual) ? [" actual ", h("code", {}, value(check.actual))] : null)
        : null),
    check.at ? h("time.soft", { datetime: check.at, title: whenExactly(check.at) }, ago(check.at)) : null);
}

function columns(node, chosen, choose) {
  const all = node.columns;
  return h("ul.schema", {}, all.map((one) => h("li", {},
    h("button.column-name", { type: "button", "aria-pressed": String(one.name === chosen), title: "Its path up and down", onclick: () => choose(one.name) }, one.name),
    h("span.type", {}, one.type ?? ""),
    one.description ? h("p.soft", {}, one.description) : null)));
}

function columnPart(node, column, path, names, choose) {
  const edges = path?.edges ?? [];
  const here = (end) => end.node === node.id && end.column === column;
  const side = (title, told, which) => [
    h("h3", {}, title),
    told.length ? h("ul", {}, byNode(told, which).map(([id, all]) => columnsOf(names(id) ?? { name: id }, all, which, node.domain))) : h("p.soft", {}, "nothing that reported itself"),
  ];
  return h("section.column-part", { "aria-labelledby": "part-column" },
    h("h2", { id: "part-column" }, "Column ", h("code", {}, column), h("button.icon.close", { type: "button", "aria-label": "All columns", title: "Esc", onclick: () => choose(column) }, "✕")),
    side("made from", edges.filter((edge) => here(edge.target)), "source"),
    side("used by", edges.filter((edge) => here(edge.source)), "target"));
}

function byNode(edges, which) {
  const nodes = new Map();
  for (const edge of edges) nodes.set(edge[which].node, [...(nodes.get(edge[which].node) ?? []), edge]);
  return [...nodes];
}

/* A node and its columns that go in or come out; its domain is said only when it is another. */
function columnsOf(node, edges, which, domain) {
  const short = domain && node.name.startsWith(`${domain}.`) ? node.name.slice(domain.length + 1) : node.name;
  const named = edges.filter((edge) => edge[which].column);
  return h("li", {},
    h("a.node-link", { href: toNode(node.name, { column: named[0]?.[which].column }), title: node.name }, kindIcon(node.kind, { label: true }), short),
    h("span.chips", {}, named.map((edge) => h("a.chip", { href: toNode(node.name, { column: edge[which].column }), title: how(edge), "aria-label": `${node.name}.${edge[which].column}` }, h("code", {}, edge[which].column)))),
    h("span.soft", {}, [...new Set(edges.map(how))].join("; ")));
}

function versions(node) {
  const all = node.versions ?? [];
  const line = (one) => h("tr", {},
    h("td", {}, h("code", { title: String(one.snapshot) }, version(String(one.snapshot ?? "")))),
    h("td.nowrap", {}, h("time", { datetime: one.at, title: ago(one.at) }, when(one.at))),
    h("td.num", {}, number(one.rows)),
    h("td", {}, one.run ? h("a", { href: toRun(one.run?.id ?? one.run) }, "run") : null));
  return long(all, (few) => table("Versions", ["snapshot", "at (UTC)", "rows", "by"], few.map(line), { class: "dense" }));
}

function runs(node) {
  const all = node.runs ?? [];
  const [first, second] = comparable(all);
  return [
    long(all, (few) => h("ul.rows.tight", {}, few.map((run) => h("li.row", {}, runState(run.state, { small: true }),
      h("div.what", {}, h("a", { href: toRun(run.id) }, run.job)), h("div.aside", {}, h("span.soft.num", {}, seconds(run.seconds)), h("time.soft", { datetime: run.ended ?? run.started, title: when(run.ended ?? run.started) }, ago(run.ended ?? run.started))))))),
    h("p.more", {}, second ? [h("a", { href: toDiff(second.id, first.id) }, "What changed between the last two"), " · "] : null, h("a", { href: toRuns({ dataset: node.name }) }, "All runs")),
  ];
}

/* The newest run and the one before of the same job. */
function comparable(all) {
  for (const first of all) {
    const second = all.find((other) => other !== first && other.job === first.job && other.id !== first.id);
    if (second) return [first, second];
  }
  return [];
}

function long(all, draw) {
  if (all.length <= FEW) return draw(all);
  const place = h("div", {}, draw(all.slice(0, FEW)));
  const more = h("button.link", { type: "button", onclick: () => place.replaceChildren(draw(all)) }, `all ${all.length}`);
  place.append(more);
  return place;
}

function neighbours(node, at) {
  const names = (all) => h("ul.neighbours", {}, all.slice(0, NAMES).map((one) => h("li", {}, nodeLink(typeof one === "string" ? { name: one } : one, { at }))),
    all.length > NAMES ? h("li.soft", {}, `and ${all.length - NAMES} more`) : null);
  return [["Made from", node.upstream ?? []], ["Used by", node.downstream ?? []]].map(([title, all]) => part(title, names(all), all.length));
}

function other(node) {
  const tags = (node.tags ?? []).map((tag) => (typeof tag === "string" ? tag : `${tag.key}${tag.value ? `: ${tag.value}` : ""}`));
  const storage = node.storage && typeof node.storage === "object" ? Object.entries(node.storage).filter(([name, one]) => !name.startsWith("_") && one).map(([name, one]) => `${name} ${value(one)}`).join(", ") : node.storage;
  const symlinks = (node.symlinks ?? []).map((link) => (typeof link === "string" ? link : `${link.namespace}: ${link.name}`));
  const all = [["namespace", node.namespace], ["storage", storage], ["also known as", symlinks.join(", ")], ["tags", tags.length ? h("span.chips", {}, tags.map((tag) => h("span.chip", {}, tag))) : null]];
  return all.some(([, one]) => one) ? h("details.other", {}, h("summary", {}, "Where it is kept"), facts(all)) : null;
}
