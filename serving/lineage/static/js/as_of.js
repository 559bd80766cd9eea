/* The slider of time, which steps through the times of changes. What belongs here: that slider. */

import * as api from "./api.js";
import { h, put } from "./dom.js";
import { ago, when, whenExactly } from "./format.js";

const MOST = 500;

/* name, jobs: runs that wrote the node, and runs of the jobs; without a name all runs.
   change(at): called with an ISO time, or "" for now. Returns a function that sets the slider to a time. */
export async function timeline(place, { name, jobs, change, signal }) {
  const moments = await momentsOf(name, jobs, signal);
  const shown = h("output.moment", { for: "as-of" });
  const slider = h("input", { type: "range", id: "as-of", min: 0, step: 1, "aria-label": "As of" });
  const step = (by) => () => {
    slider.value = Number(slider.value) + by;
    read();
    commit();
  };
  const before = h("button.icon", { type: "button", "aria-label": "Previous change", title: "Previous change", onclick: step(-1) }, "‹");
  const after = h("button.icon", { type: "button", "aria-label": "Next change", title: "Next change", onclick: step(1) }, "›");
  const read = () => {
    const at = Number(slider.value);
    const moment = moments[at];
    put(shown, moment
      ? [h("time", { datetime: moment.at, title: whenExactly(moment.at) }, `${when(moment.at)} UTC`), h("span.soft", {}, ` ${moment.text || ago(moment.at)}`)]
      : h("strong", {}, "now"));
    slider.setAttribute("aria-valuetext", moment ? `${when(moment.at)} ${moment.text}` : "now");
    before.disabled = at === 0;
    after.disabled = at >= moments.length;
  };
  const commit = () => change(moments[Number(slider.value)]?.at ?? "");
  slider.addEventListener("input", read);
  slider.addEventListener("change", commit);
  const line = h("div.timeline", {}, h("label", { for: "as-of" }, "As of"), before, h("div.track", {}, slider), after, shown);
  return (at) => {
    if (at && !moments.some((moment) => moment.at === at)) {
      moments.push({ at, text: "" });
      moments.sort((a, b) => a.at.localeCompare(b.at));
    }
    if (moments.length < 2) return put(place);
    slider.max = moments.length; // one step after the last change: now
    slider.value = at ? moments.findIndex((moment) => moment.at === at) : moments.length;
    read();
    if (!line.isConnected) put(place, line);
  };
}

async function momentsOf(name, jobs, signal) {
  const [all, own] = await Promise.all([
    api.runs({ limit: MOST }, { signal }),
    name ? api.runs({ dataset: name, limit: MOST }, { signal }) : { runs: [] },
  ]);
  const moments = new Map();
  for (const run of [...own.runs, ...all.runs.filter(({ job }) => !name || jobs.has(job))]) {
    const at = run.ended ?? run.started;
    if (at) moments.set(at, { at, text: `${run.job} ${String(run.state).toLowerCase()}` });
  }
  return [...moments.values()].sort((a, b) => a.at.localeCompare(b.at));
}
