/* How things are: health, freshness, breaker, state of a run. Each has a sign and a word, the colour only helps.
   What belongs here: signs of state. Not: kinds (kinds.js). */

import { h } from "./dom.js";
import { ago } from "./format.js";

const HEALTH = {
  ok: ["✓", "healthy", "good"],
  warn: ["!", "warning", "warn"],
  fail: ["✕", "failing", "bad"],
};
const STATES = {
  COMPLETE: ["✓", "complete", "good"],
  FAIL: ["✕", "failed", "bad"],
  ABORT: ["⊘", "aborted", "warn"],
  RUNNING: ["▸", "running", "soft"],
  START: ["▸", "running", "soft"],
};
const BREAKERS = { open: ["⊗", "breaker open", "bad"], "half-open": ["⊖", "breaker half-open", "warn"], half_open: ["⊖", "breaker half-open", "warn"] };

function badge([sign, word, tone], title, { small = false } = {}) {
  return small
    ? h("span.sign", { class: tone, role: "img", "aria-label": word, title: title ?? word }, sign)
    : h("span.badge", { class: tone, title }, h("span", { "aria-hidden": "true" }, `${sign} `), word);
}

export const health = (state, options) => (HEALTH[state] ? badge(HEALTH[state], `checks: ${HEALTH[state][1]}`, options) : null);
export const breaker = (state, options) => (BREAKERS[state] ? badge(BREAKERS[state], undefined, options) : null);
export const stale = (node, options) =>
  node.fresh === false ? badge(["◷", "stale", "warn"], node.updated ? `last update ${ago(node.updated)}` : undefined, options) : null;
export const runState = (state, options) => badge(STATES[state] ?? ["·", String(state ?? "unknown").toLowerCase(), "soft"], undefined, options);

export const healthWord = (state) => HEALTH[state]?.[1] ?? "not checked";

/* All that is odd about a node; nothing when all is well, unless `always`. */
export function signs(node, options = {}) {
  return [
    node.health !== "ok" || options.always ? health(node.health, options) : null,
    stale(node, options),
    breaker(node.breaker, options),
  ].filter(Boolean);
}

export function troubleWords(node) {
  return [
    node.health === "fail" || node.health === "warn" ? healthWord(node.health) : "",
    node.fresh === false ? "stale" : "",
    BREAKERS[node.breaker]?.[1] ?? "",
  ].filter(Boolean);
}

export function emptyState(title, ...words) {
  return h("div.empty", {}, h("h2", {}, title), words.map((word) => h("p", {}, word)));
}

/* An error as the house writes it: what is wrong, where, the nearest valid thing, what to do. */
export function errorState(error, more = null) {
  const wrong = error?.what ? error : { what: error?.message ?? String(error), fix: "load the page again" };
  return h(
    "div.note.bad.error",
    { role: "alert" },
    h("h2", {}, wrong.what),
    h("dl", {},
      wrong.where && [h("dt", {}, "where"), h("dd", {}, String(wrong.where))],
      wrong.nearest && [h("dt", {}, "nearest"), h("dd", {}, String(wrong.nearest))],
      wrong.fix && [h("dt", {}, "what to do"), h("dd", {}, String(wrong.fix))]),
    more,
  );
}
