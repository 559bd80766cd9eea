/* The first page: what there is, what needs attention, what ran last. What belongs here: that page. */

import * as api from "./api.js";
import { emptyState, runState, signs } from "./badges.js";
import { h, put } from "./dom.js";
import { ago, count, number, seconds, when } from "./format.js";
import { kindIcon, kindOf, nodeLink, order } from "./kinds.js";
import { address, toRun, toRuns, toSearch } from "./routes.js";

const NEWEST = 12;

export async function show(route, { content, signal }) {
  const [all, { runs }] = await Promise.all([api.overview({ signal }), api.runs({ limit: NEWEST, whole: true }, { signal })]);
  put(content, h("div.page.overview", {}, (all.datasets || all.runs) ? filled(all, runs) : nothing()));
  return { title: "" };
}

function nothing() {
  return [
    h("h1", {}, "Lineage"),
    emptyState("Nothing has reported itself yet",
      ["Run ", h("code", {}, "slipway demo"), " to land two domains, train and predict: each run reports itself, and its tables, columns and models appear here."],
      ["Anything else that speaks OpenLineage (Spark, Airflow, Flink, dbt) can send its events to ", h("code", {}, `${new URL("api/v1/lineage", document.baseURI)}`), "."]),
  ];
}

function filled(all, runs) {
  const odd = trouble(all);
  return [
    h("div.head", {},
      h("h1", {}, "Lineage"),
      h("p.soft", {}, `${count(all.datasets, "dataset")}, ${count(all.jobs, "job")}, ${count(all.runs, "run")}`, all.newest ? `, newest event ${ago(all.newest)}` : "")),
    h("ul.kinds", { "aria-label": "Kinds" }, kindsOf(all.kinds ?? {}).map(([kind, many]) =>
      h("li", {}, h("a", { href: toSearch({ kind }) }, kindIcon(kind), h("strong", {}, number(many)), h("span", {}, many === 1 ? kindOf(kind).word : kindOf(kind).many))))),
    h("div.columns", {},
      h("section.card", { "aria-labelledby": "attention" },
        h("h2", { id: "attention" }, "Needs attention", odd.length ? h("span.count", {}, odd.length) : null),
        odd.length
          ? h("ul.rows", {}, odd.map((node) => h("li.row", {}, h("div.what", {}, nodeLink(node), node.why ? h("p.soft", {}, node.why) : null), h("div.aside", {}, signs(node)))))
          : h("p.quiet", {}, h("span.sign.good", { "aria-hidden": "true" }, "✓"), " All checks pass, everything is fresh.")),
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

function trouble({ unhealthy = [], stale = [] }) {
  const seen = new Map();
  for (const node of [...unhealthy, ...stale]) seen.set(node.id, node);
  const weight = ({ health, breaker }) => (breaker === "open" ? 0 : health === "fail" ? 1 : health === "warn" ? 2 : 3);
  return [...seen.values()].sort((a, b) => weight(a) - weight(b) || a.name.localeCompare(b.name));
}

function kindsOf(kinds) {
  return Object.entries(kinds).sort(([a], [b]) => order.indexOf(kindOf(a).key) - order.indexOf(kindOf(b).key));
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
