/* All runs, newest first, filtered by job, table and state; two can be chosen and compared.
   What belongs here: that page. */

import * as api from "./api.js";
import { emptyState, runState } from "./badges.js";
import { h, put } from "./dom.js";
import { ago, count, seconds, when } from "./format.js";
import { nameOf } from "./kinds.js";
import { go, toDiff, toNode, toRun, toRuns } from "./routes.js";

const MOST = 100;

export async function show(route, { content, signal }) {
  const { job = "", dataset = "", state = "", steps = "" } = route.query;
  const topLevel = !job && !dataset && !steps; // steps are on the page of each run
  const { runs } = await api.runs({ job, dataset, state, top_level: topLevel || null, limit: MOST }, { signal });
  const chosen = [];
  const compare = h("button", { type: "button", disabled: true, onclick: () => go(toDiff(...oldestFirst(chosen, runs))) }, "Compare two runs");
  const choose = (event) => {
    const { value, checked } = event.target;
    if (checked) chosen.push(value);
    else chosen.splice(chosen.indexOf(value), 1);
    for (const box of content.querySelectorAll("input.choose")) box.disabled = chosen.length === 2 && !box.checked;
    compare.disabled = chosen.length !== 2;
  };
  const filter = (change) => go(toRuns({ job, dataset, state, steps, ...change }));
  put(content, h("div.page", {},
    h("h1", {}, job ? ["Runs of ", h("code", {}, job)] : dataset ? ["Runs of ", h("a", { href: toNode(dataset) }, nameOf(dataset))] : "Runs"),
    h("div.filters", {},
      h("label.choice", {}, "state", h("select", { "aria-label": "state", onchange: (event) => filter({ state: event.target.value }) },
        [["", "any"], ["COMPLETE", "complete"], ["FAIL", "failed"], ["ABORT", "aborted"], ["RUNNING", "running"]].map(([key, text]) => h("option", { value: key, selected: key === state }, text)))),
      job || dataset ? null : h("label.check", {}, h("input", { type: "checkbox", checked: Boolean(steps), onchange: (event) => filter({ steps: event.target.checked ? "1" : "" }) }), " with their steps"),
      job || dataset ? h("a.button", { href: toRuns({}) }, "All jobs") : null,
      compare,
      h("p.soft", { role: "status" }, runs.length === MOST ? `the newest ${MOST}` : count(runs.length, "run"))),
    runs.length
      ? h("ul.rows.card", {}, runs.map((run) => h("li.row", {},
        h("input.choose", { type: "checkbox", value: run.id, "aria-label": `Compare ${run.job} of ${when(run.started)}`, onchange: choose }),
        h("div.state", {}, runState(run.state)),
        h("div.what", {}, h("a", { href: toRun(run.id) }, run.job), run.error ? h("p.soft.clip", {}, run.error.message ?? run.error) : null),
        h("div.aside", {}, job ? null : h("a.soft", { href: toRuns({ job: run.job }) }, "history"), h("span.soft.num", {}, seconds(run.seconds)),
          h("time.soft", { datetime: run.started, title: ago(run.started) }, when(run.started))))))
      : emptyState("No runs", ["No run has been reported yet. ", h("code", {}, "slipway demo"), " runs everything once."])));
  return { title: job ? `Runs of ${job}` : "Runs" };
}

function oldestFirst(ids, runs) {
  const at = (id) => String(runs.find((run) => run.id === id)?.started ?? "");
  return [...ids].sort((a, b) => at(a).localeCompare(at(b)));
}
