/* The page of a run. What belongs here: state, times, what it read and wrote, its parents and children, its error. */

import * as api from "./api.js";
import { runState } from "./badges.js";
import { copyable, externalLink, facts, h, put, table } from "./dom.js";
import { ago, number, seconds, shortId, value, version, when, whenExactly } from "./format.js";
import { nodeLink } from "./kinds.js";
import { go, toDiff, toRun, toRuns } from "./routes.js";

const OTHERS = 50;

export async function show(route, { content, signal }) {
  const run = await api.run(route.parts[0], { signal });
  const { runs: others } = await api.runs({ job: run.job, limit: OTHERS }, { signal });
  put(content, h("div.page.run", {},
    h("p.over", {}, h("a", { href: toRuns({ job: run.job }) }, "Runs of this job")),
    h("h1", {}, run.job),
    h("p.badges", {}, runState(run.state), run.seconds !== null && run.seconds !== undefined ? h("span.soft", {}, seconds(run.seconds)) : null,
      h("span.soft", {}, ago(run.ended ?? run.started)), (run.links ?? []).map(({ text, url }) => externalLink(text, url))),
    failure(run),
    facts([
      ["started (UTC)", time(run.started)],
      ["ended (UTC)", run.ended ? time(run.ended) : null],
      ["nominal time", nominal(run)],
      ["code", code(run)],
      ["rebuilt", rebuilt(run)],
      ["parent", run.parent ? other(run.parent) : null],
      ["root", run.root && run.root.id !== run.parent?.id ? other(run.root) : null],
    ]),
    measured(run),
    compare(run, others),
    sides(run),
    children(run),
    facets(run),
    h("section", {}, h("h2", {}, "Copy"), copyable(run.id, "the run id"))));
  return { title: `${run.job} ${shortId(run.id)}` };
}

const time = (iso) => h("time", { datetime: iso, title: whenExactly(iso) }, when(iso));
const other = (run) => h("a", { href: toRun(run.id ?? run) }, run.job ?? shortId(run.id ?? run), run.state ? [" ", runState(run.state, { small: true })] : null);

function nominal({ nominal: known }) {
  if (!known) return null;
  return typeof known === "string" ? time(known) : [time(known.start ?? known.nominalStartTime), known.end ?? known.nominalEndTime ? [" to ", time(known.end ?? known.nominalEndTime)] : ""];
}

function code({ code: known }) {
  if (!known) return null;
  if (typeof known === "string") return h("code", {}, known);
  return [known.version ? h("code", {}, known.version) : null, known.url ? [" ", externalLink("source", known.url)] : null, known.definition ? h("span.soft", { title: known.definition }, ` definition ${shortId(known.definition)}`) : null];
}

/* Whether a step computed its table, or found it up to date. */
function rebuilt({ facets: { slipway_work: known } = {} }) {
  if (!known) return null;
  return [known.recomputed ? known.extent ?? "yes" : "no", known.because].filter(Boolean).join(": ");
}

function measured({ facets: { slipway_metrics: known } = {} }) {
  const all = Object.entries(known?.metrics ?? {});
  if (!all.length) return null;
  return h("section.card", {}, h("h2", {}, "Metrics", known.candidate ? h("span.soft", {}, ` of ${known.candidate}`) : null),
    table("Metrics", ["metric", "value"], all.map(([name, one]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, typeof one === "number" ? Number(one.toPrecision(6)) : value(one)))), { class: "metrics" }));
}

function failure({ error, stack }) {
  if (!error) return null;
  return h("div.note.bad", { role: "alert" }, h("h2", {}, "Error"), h("pre.message", {}, error), stack ? h("details", {}, h("summary", {}, "Stack trace"), h("pre", { tabindex: "0" }, stack)) : null);
}

function compare(run, others) {
  const rest = others.filter((one) => one.id !== run.id);
  if (!rest.length) return null;
  const before = rest.find((one) => String(one.started) < String(run.started));
  const pick = h("select", { id: "with", onchange: (event) => event.target.value && go(toDiff(event.target.value, run.id)) },
    h("option", { value: "" }, "a run of this job"),
    rest.map((one) => h("option", { value: one.id }, `${when(one.started)} ${String(one.state).toLowerCase()} ${shortId(one.id)}`)));
  return h("p.compare", {}, before ? h("a.button", { href: toDiff(before.id, run.id) }, "Compare with the previous run") : null, h("label", { for: "with" }, "Compare with "), pick);
}

function sides(run) {
  if (!run.inputs?.length && !run.outputs?.length && run.children?.length) return null; // its steps have them
  const side = (title, all) => h("section.card", {}, h("h2", {}, title, h("span.count", {}, all.length)),
    all.length ? table(title, ["name", "version", "rows"], all.map((one) => h("tr", {},
      h("td", {}, nodeLink(one)), h("td", {}, one.version ? h("code", { title: String(one.version) }, version(String(one.version))) : h("span.soft", {}, "not reported")), h("td.num", {}, number(one.rows)))), { class: "dense" })
      : h("p.soft", {}, "none"));
  return h("div.columns", {}, side("Inputs", run.inputs ?? []), side("Outputs", run.outputs ?? []));
}

function children({ children: all = [] }) {
  if (!all.length) return null;
  return h("section.card", {}, h("h2", {}, "Steps", h("span.count", {}, all.length)),
    h("ul.rows.tight", {}, all.map((one) => h("li.row", {}, runState(one.state, { small: true }), h("div.what", {}, h("a", { href: toRun(one.id ?? one) }, one.job ?? one)), h("div.aside", {}, h("span.soft.num", {}, seconds(one.seconds)))))));
}

function facets({ facets: all = {} }) {
  const names = Object.keys(all).sort();
  if (!names.length) return null;
  return h("details.other", {}, h("summary", {}, `All facets (${names.length})`),
    names.map((name) => h("section", {}, h("h3", {}, h("code", {}, name)), h("pre", { tabindex: "0" }, JSON.stringify(all[name], null, 2)))));
}
