/* The results of a search, with filters by kind and domain. What belongs here: that page. */

import * as api from "./api.js";
import { emptyState, stateBadges } from "./badges.js";
import { h, put } from "./dom.js";
import { count, ago } from "./format.js";
import { kindIcon, kindOf, nameOf } from "./kinds.js";
import { go, toNode, toSearch } from "./routes.js";
import { addressOf, withJobs } from "./search.js";

const MOST = 100;

export async function show(route, { content, signal }) {
  const { q = "", kind = "", domain = "" } = route.query;
  const [answer, all] = await Promise.all([
    api.search({ q, kind, domain, limit: MOST }, { signal }),
    api.overview({ signal }),
  ]);
  const results = withJobs(answer.results, answer.jobs ?? [], MOST);
  const total = answer.total + (answer.jobs ?? []).length;
  const filter = (change) => go(toSearch({ q, kind, domain, ...change }));
  const select = (label, value, choices, change) => h("label.choice", {}, label,
    h("select", { "aria-label": label, onchange: (event) => change(event.target.value) },
      h("option", { value: "" }, "any"),
      choices.map(([id, text]) => h("option", { value: id, selected: id === value }, text))));
  put(content, h("div.page", {},
    h("h1", {}, q ? `“${q}”` : "Everything"),
    h("div.filters", {},
      select("kind", kind, [...Object.entries(all.kinds ?? {}), ["JOB", all.jobs]].map(([id, many]) => [id, `${kindOf(id).label} (${many})`]), (value) => filter({ kind: value })),
      select("domain", domain, (all.domains ?? []).map(({ name }) => [name, name]), (value) => filter({ domain: value })),
      h("p.soft", { role: "status" }, results.length < total ? `the first ${results.length} of ${total}` : count(total, "result"))),
    results.length
      ? h("ul.rows", {}, results.map(row))
      : emptyState("No results", "Names, columns, owners and descriptions are searched. Use fewer words, or another kind.")));
  return { title: q ? `Search: ${q}` : "Search" };
}

function row(found) {
  return h("li.row", {},
    kindIcon(found.kind, { named: true }),
    h("div.what", {},
      h("a", { href: addressOf(found) }, nameOf(found.name)),
      h("p.soft", {}, [kindOf(found.kind).label, found.owner, found.description].filter(Boolean).join(" · ")),
      found.columns_matched?.length ? h("p.chips", {}, found.columns_matched.map((column) =>
        h("a.chip", { href: toNode(found.name, { column: column.name ?? column }) }, h("code", {}, column.name ?? column)))) : null),
    h("div.aside", {}, stateBadges(found), found.updated ? h("span.soft", {}, ago(found.updated)) : null));
}
