/* The details of a node, or of a stack of files. What belongs here: that panel. Not: loading them (node_page.js). */

import { circuitBreaker, health, runState, stateBadges, upToDate } from "./badges.js";
import { copyable, externalLink, facts, h, table } from "./dom.js";
import { ago, count, number, seconds, shorten, value, version, when, whenExactly } from "./format.js";
import { kindIcon, kindOf, nodeLink } from "./kinds.js";
import { transformation } from "./graph/list.js";
import { toDiff, toImpact, toNode, toRun, toRuns } from "./routes.js";

const FEW = 8;
const FEW_CHECKS = 4;
const NAMES = 12;

export function nodePanel(node, { column, at, isRoot, path, nodeOf, chooseColumn, begin, close }) {
  const kind = kindOf(node.kind);
  const owners = (node.owners ?? []).map((owner) => owner.name);
  const command = (direction) => `slipway lineage ${quoted(column ? `${node.name}.${column}` : node.name)} --${direction}`;
  return [
    h("header", {},
      h("p.over", {}, kindIcon(node.kind), kind.label, node.domain ? ` in ${node.domain}` : "",
        isRoot ? null : h("button.icon.close", { type: "button", "aria-label": "Close", title: "Back to the root (Esc)", onclick: close }, "✕")),
      h("h1", { tabindex: "-1" }, node.name),
      h("p.badges", {}, stateBadges({ ...node, circuit_breaker: node.circuit_breaker?.state }, { always: true }), upToDate(node)),
      node.description ? h("p.lead", {}, node.description) : null,
      h("div.actions", {},
        isRoot ? null : h("button", { type: "button", onclick: begin, title: "g" }, "Make it the root"),
        h("a.button", { href: toImpact(node.name, column) }, column ? `Downstream impact of ${shorten(column, 24)}` : "Downstream impact"),
        (node.links ?? []).map(({ text, url }) => externalLink(text, url)))),
    column ? columnPart(node, column, path, nodeOf, chooseColumn) : null,
    facts([
      ["owner", owners.length ? owners.join(", ") : h("span.soft", {}, "no owner")],
      ["last update", node.updated ? h("time", { datetime: node.updated, title: whenExactly(node.updated) }, ago(node.updated), h("br"), h("span.soft", {}, when(node.updated))) : "never"],
      ["staleness", staleness(node)],
      ["contract", node.contract ? `version ${value(node.contract.version ?? node.contract)}` : null],
    ]),
    breakerPart(node),
    part("Checks", checks(node.checks ?? [], node.name), (node.checks ?? []).length),
    part("Columns", columns(node, column, chooseColumn), node.columns.length),
    part("Versions", versions(node), (node.versions ?? []).length),
    part("Runs", runs(node), (node.runs ?? []).length),
    neighbors(node, at),
    part("Copy", [
      copyable(node.name, "the name"),
      copyable(command("upstream"), "the command for upstream"),
      copyable(command("downstream"), "the command for downstream"),
      node.physical && node.physical !== node.name ? copyable(String(node.physical), "the location") : null,
    ]),
    other(node),
  ];
}

/* Delivered files that are drawn as one stack. */
export function stackPanel(stack, { href, each }) {
  return [
    h("header", {},
      h("p.over", {}, kindIcon("FILE"), "delivered files"),
      h("h1", { tabindex: "-1" }, stack.name),
      h("p.badges", {}, stateBadges(stack, { always: true })),
      h("div.actions", {}, h("button", { type: "button", onclick: each, title: "Space" }, "Show each file in the graph"))),
    h("ul.neighbors", {}, stack.members.map((file) => h("li", {}, h("a", { href: href(file) }, file.name)))),
  ];
}

const quoted = (name) => (/^[\w./:@-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

function part(title, body, many = null) {
  if (many === 0 || !body) return null;
  const id = `part-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title, many ? h("span.count", {}, many) : null), body);
}

function staleness({ up_to_date: upToDate, stale_reason: reason }) {
  if (upToDate === null || upToDate === undefined) return null;
  return upToDate ? "up to date" : ["stale", reason].filter(Boolean).join(": ");
}

function breakerPart(node) {
  const { state, since, reason } = node.circuit_breaker ?? {};
  const badge = circuitBreaker(state);
  if (!badge) return null;
  return h("div.note.bad", {}, h("p", {}, badge, since ? ` since ${when(since)} UTC` : ""), reason ? h("p", {}, reason) : null,
    h("p", {}, "Show and close the circuit breaker: ", h("code", {}, `slipway circuit-breaker ${node.name}`)));
}

const bare = (check, name) => (check.startsWith(`${name}.`) ? check.slice(name.length + 1) : check);

/* Failed checks first; many passed ones are collapsed to their number. */
function checks(all, name) {
  const weight = (check) => (check.passed ? 2 : String(check.severity).toLowerCase().startsWith("warn") ? 1 : 0);
  const list = (some) => h("ul.checks", {}, [...some].sort((a, b) => weight(a) - weight(b)).map((check) => checkRow(check, ["fail", "warn", "ok"][weight(check)], name)));
  const passing = all.filter((check) => check.passed);
  if (passing.length <= FEW_CHECKS) return list(all);
  const failed = all.filter((check) => !check.passed);
  return [failed.length ? list(failed) : null, h("details", {}, h("summary", {}, health("ok", { small: true }), ` ${passing.length} pass`), list(passing))];
}

function checkRow(check, tone, name) {
  const title = bare(check.name, name);
  const known = (one) => one !== null && one !== undefined;
  return h("li", { class: tone }, health(tone, { small: true }),
    h("div", {},
      h("p", {}, h("span.name", {}, title), check.column && !title.startsWith(check.column) ? h("code.soft", {}, ` ${check.column}`) : null,
        check.severity && !check.passed ? h("span.soft", {}, ` ${String(check.severity).toLowerCase()}`) : null),
      known(check.expected) || known(check.actual)
        ? h("p.soft", {}, known(check.expected) ? ["expected ", h("code", {}, value(check.expected))] : null, known(check.actual) ? [" actual ", h("code", {}, value(check.actual))] : null)
        : null),
    check.at ? h("time.soft", { datetime: check.at, title: whenExactly(check.at) }, ago(check.at)) : null);
}

function columns(node, chosen, choose) {
  const all = node.columns;
  return h("ul.schema", {}, all.map((one) => h("li", {},
    h("button.column-name", { type: "button", "aria-pressed": String(one.name === chosen), title: "Show its lineage", onclick: () => choose(one.name) }, one.name),
    h("span.type", {}, one.type ?? ""),
    one.description ? h("p.soft", {}, one.description) : null)));
}

function columnPart(node, column, path, nodeOf, choose) {
  const edges = path?.edges ?? [];
  const here = (end) => end.node === node.id && end.column === column;
  const side = (title, ends, which) => [
    h("h3", {}, title),
    ends.length ? h("ul", {}, byNode(ends, which).map(([id, all]) => columnsOf(nodeOf(id) ?? { name: id }, all, which, node.domain))) : h("p.soft", {}, "none reported"),
  ];
  return h("section.column-part", { "aria-labelledby": "part-column" },
    h("h2", { id: "part-column" }, h("span", {}, "Column "), h("code", {}, column), h("button.icon.close", { type: "button", "aria-label": "All columns", title: "Esc", onclick: () => choose(column) }, "✕")),
    side("upstream", edges.filter((edge) => here(edge.target)), "source"),
    side("downstream", edges.filter((edge) => here(edge.source)), "target"));
}

function byNode(edges, which) {
  const nodes = new Map();
  for (const edge of edges) nodes.set(edge[which].node, [...(nodes.get(edge[which].node) ?? []), edge]);
  return [...nodes];
}

/* A node and its columns; its domain is shown only if it differs. */
function columnsOf(node, edges, which, domain) {
  const short = domain && node.name.startsWith(`${domain}.`) ? node.name.slice(domain.length + 1) : node.name;
  const named = edges.filter((edge) => edge[which].column);
  return h("li", {},
    h("a.node-link", { href: toNode(node.name, { column: named[0]?.[which].column }), title: node.name }, kindIcon(node.kind, { named: true }), short),
    h("span.chips", {}, named.map((edge) => h("a.chip", { href: toNode(node.name, { column: edge[which].column }), title: transformation(edge), "aria-label": `${node.name}.${edge[which].column}` }, h("code", {}, edge[which].column)))),
    h("span.soft", {}, [...new Set(edges.map(transformation))].join("; ")));
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
    h("p.more", {}, second ? [h("a", { href: toDiff(second.id, first.id) }, "Compare the last two"), " · "] : null, h("a", { href: toRuns({ dataset: node.name }) }, "All runs")),
  ];
}

/* The newest run and the previous one of the same job. */
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

function neighbors(node, at) {
  const names = (all) => h("ul.neighbors", {}, all.slice(0, NAMES).map((one) => h("li", {}, nodeLink(typeof one === "string" ? { name: one } : one, { at }))),
    all.length > NAMES ? h("li.soft", {}, `and ${all.length - NAMES} more`) : null);
  return [["Upstream", node.upstream ?? []], ["Downstream", node.downstream ?? []]].map(([title, all]) => part(title, names(all), all.length));
}

function other(node) {
  const tags = (node.tags ?? []).map((tag) => (typeof tag === "string" ? tag : `${tag.key}${tag.value ? `: ${tag.value}` : ""}`));
  const storage = node.storage && typeof node.storage === "object" ? Object.entries(node.storage).filter(([name, one]) => !name.startsWith("_") && one).map(([name, one]) => `${name} ${value(one)}`).join(", ") : node.storage;
  const symlinks = (node.symlinks ?? []).map((link) => (typeof link === "string" ? link : `${link.namespace}: ${link.name}`));
  const all = [["namespace", node.namespace], ["storage", storage], ["also known as", symlinks.join(", ")], ["tags", tags.length ? h("span.chips", {}, tags.map((tag) => h("span.chip", {}, tag))) : null]];
  return all.some(([, one]) => one) ? h("details.other", {}, h("summary", {}, "Storage and names"), facts(all)) : null;
}
