/* The slider of time: it steps through the moments at which something changed. What belongs here: that slider. */

import * as api from "./api.js";
import { h, put } from "./dom.js";
import { ago, when, whenExactly } from "./format.js";

const MOST = 200;

/* change(at): ISO, or "" for now. id: whose changes; without one, everybody's. */
export async function timeline(place, { at, id, change, signal }) {
  const moments = await momentsOf(id, signal);
  if (at && !moments.some((moment) => moment.at === at)) moments.push({ at, words: "chosen" });
  moments.sort((a, b) => a.at.localeCompare(b.at));
  if (moments.length < 2) return put(place);
  const last = moments.length; // one more than the moments: now
  const start = at ? moments.findIndex((moment) => moment.at === at) : last;
  const shown = h("output.moment", { for: "as-of" });
  const slider = h("input", { type: "range", id: "as-of", min: 0, max: last, step: 1, value: start, "aria-label": "As of" });
  const read = () => {
    const moment = moments[Number(slider.value)];
    put(shown, moment ? [h("time", { datetime: moment.at, title: whenExactly(moment.at) }, `${when(moment.at)} UTC`), h("span.soft", {}, moment.words ? ` ${moment.words}` : ` ${ago(moment.at)}`)] : h("strong", {}, "now"));
    slider.setAttribute("aria-valuetext", moment ? `${when(moment.at)} ${moment.words}` : "now");
  };
  const settle = () => change(moments[Number(slider.value)]?.at ?? "");
  slider.addEventListener("input", read);
  slider.addEventListener("change", settle);
  const step = (by) => () => {
    slider.value = Number(slider.value) + by;
    read();
    settle();
  };
  read();
  put(place, h("div.timeline", {},
    h("label", { for: "as-of" }, "As of"),
    h("button.icon", { type: "button", "aria-label": "The change before", title: "The change before", onclick: step(-1), disabled: start === 0 }, "‹"),
    h("div.track", {}, slider),
    h("button.icon", { type: "button", "aria-label": "The change after", title: "The change after", onclick: step(1), disabled: start === last }, "›"),
    shown));
}

async function momentsOf(id, signal) {
  const { runs } = await api.runs({ dataset: id, limit: MOST }, { signal });
  const moments = new Map();
  for (const run of runs) {
    const at = run.ended ?? run.started;
    if (at) moments.set(at, { at, words: `${run.job} ${String(run.state).toLowerCase()}` });
  }
  return [...moments.values()];
}
