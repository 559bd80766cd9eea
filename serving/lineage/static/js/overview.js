/* The first page: kinds, what needs attention, domains, newest runs. What belongs here: that page. */

import * as api from "./api.js";
import { emptyState, isBlocking, runState, stateBadges } from "./badges.js";
import { h, put } from "./dom.js";
import { ago, count, number, seconds, when } from "./format.js";
import { kindIcon, kindOf, nodeLink, order } from "./kinds.js";
import { address, toRun, toRuns, toSearch } from "./routes.js";

const NEWEST = 12;

export async function show(route, { content, signal }) {
  const [all, { runs }] = await Promise.all([api.overview({ signal }), api.runs({ limit: NEWEST, top_level: true }, { signal })]);
  put(content, h("div.page.overview", {}, (all.datasets || all.runs) ? filled(all, runs) : nothing()));
  return { title: "" };
}

function nothing() {
  return [
    h("h1", {}, "Lineage"),
    emptyState("No events yet",
      ["Run ", h("code", {}, "slipway demo"), " to materialize two domains, train and predict: every run reports lineage events, and its tables, columns and models appear here."],
      ["Any other OpenLineage producer (Spark, Airflow, Flink, dbt) can send its events to ", h("code", {}, `${new URL("api/v1/lineage", document.baseURI)}`), "."]),
  ];
}

function filled(all, runs) {
  const attention = needAttention(all);
  return [
    h("div.head", {},
      h("h1", {}, "Lineage"),
      h("p.soft", {}, `${count(all.datasets, "dataset")}, ${count(all.jobs, "job")}, ${count(all.runs, "run")}`, all.newest ? `, newest event ${ago(all.newest)}` : "")),
    h("ul.kinds", { "aria-label": "Kinds" }, sortedKinds(all.kinds ?? {}).map(([kind, many]) =>
      h("li", {}, h("a", { href: toSearch({ kind }) }, kindIcon(kind), h("strong", {}, number(many)), h("span", {}, many === 1 ? kindOf(kind).label : kindOf(kind).plural))))),
    h("div.columns", {},
      h("section.card", { "aria-labelledby": "attention" },
        h("h2", { id: "attention" }, "Needs attention", attention.length ? h("span.count", {}, attention.length) : null),
        attention.length
          ? h("ul.rows", {}, attention.map((node) => h("li.row", {}, h("div.what", {}, nodeLink(node), node.stale_reason ? h("p.soft", {}, node.stale_reason) : null), h("div.aside", {}, stateBadges(node)))))
          : h("p.quiet", {}, h("span.sign.good", { "aria-hidden": "true" }, "✓"), " All checks pass and all tables are up to date.")),
      h("section.card", { "aria-labelledby": "domains" },
        h("h2", { id: "domains" }, "Domains"),
        h("ul.rows", {}, (all.domains ?? []).map((domain) => domainRow(domain))),
        h("p.more", {}, h("a", { href: address("graph") }, "The whole graph")))),
    h("section.card", { "aria-labelledby": "newest" },
      h("h2", { id: "newest" }, "Newest runs"),
      h("ul.rows.runs", {}, runs.map(runRow)),
      h("p.more", {}, h("a", { href: toRuns({}) }, "All runs"))),
  ];
}

function needAttention({ unhealthy = [], stale = [] }) {
  const seen = new Map();
  for (const node of [...unhealthy, ...stale]) seen.set(node.id, node);
  const weight = ({ health, circuit_breaker: state }) => (isBlocking(state) ? 0 : health === "fail" ? 1 : health === "warn" ? 2 : 3);
  return [...seen.values()].sort((a, b) => weight(a) - weight(b) || a.name.localeCompare(b.name));
}

function sortedKinds(kinds) {
  return Object.entries(kinds).sort(([a], [b]) => order.indexOf(kindOf(a).name) - order.indexOf(kindOf(b).name));
}

function domainRow({ name, nodes }) {
  const many = Array.isArray(nodes) ? nodes.length : nodes;
  return h("li.row", {}, h("div.what", {}, h("a", { href: address("graph", [], { domain: name }) }, name || "(no domain)")),
    h("div.aside", {}, h("a.soft", { href: toSearch({ domain: name }) }, count(many, "node"))));
}

export function runRow(run) {
  return h("li.row", {},
    h("div.state", {}, runState(run.state)),
    h("div.what", {}, h("a", { href: toRun(run.id) }, run.job), run.error ? h("p.soft.clip", {}, run.error) : null),
    h("div.aside", {},
      h("span.soft.num", {}, seconds(run.seconds)),
      h("time.soft", { datetime: run.ended ?? run.started, title: when(run.ended ?? run.started) }, ago(run.ended ?? run.started))));
}
