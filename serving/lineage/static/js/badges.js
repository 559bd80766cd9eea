/* Badges of state: health, staleness, circuit breaker, run. Each has a sign and a word; color only supports them.
   What belongs here: states and errors. Not: kinds (kinds.js). */

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
const BREAKER = {
  OPEN: ["⊗", "blocking deliveries", "bad"],
  HALF_OPEN: ["⊖", "trying one delivery", "warn"],
};

function badge([sign, word, tone], title, { small = false } = {}) {
  return small
    ? h("span.sign", { class: tone, role: "img", "aria-label": word, title: title ?? word }, sign)
    : h("span.badge", { class: tone, title }, h("span", { "aria-hidden": "true" }, `${sign} `), word);
}

const breakerKey = (state) => String(state ?? "").toUpperCase().replace("-", "_");

export const health = (state, options) => (HEALTH[state] ? badge(HEALTH[state], `checks: ${HEALTH[state][1]}`, options) : null);
export const circuitBreaker = (state, options) => (BREAKER[breakerKey(state)] ? badge(BREAKER[breakerKey(state)], `circuit breaker: ${breakerKey(state)}`, options) : null);
export const isBlocking = (state) => breakerKey(state) === "OPEN";
export const stale = (node, options) =>
  node.up_to_date === false ? badge(["◷", "stale", "warn"], node.updated ? `last update ${ago(node.updated)}` : undefined, options) : null;
export const upToDate = (node) => (node.up_to_date === true ? badge(["◷", "up to date", "good"]) : null);
export const runState = (state, options) => badge(STATES[state] ?? ["·", String(state ?? "unknown").toLowerCase(), "soft"], undefined, options);

export const healthWord = (state) => HEALTH[state]?.[1] ?? "not checked";

/* The badges of a node: what needs attention; its health also when it is good, if `always`. */
export function stateBadges(node, options = {}) {
  return [
    node.health !== "ok" || options.always ? health(node.health, options) : null,
    stale(node, options),
    circuitBreaker(node.circuit_breaker, options),
  ].filter(Boolean);
}

export function stateWords(node) {
  return [
    node.health === "fail" || node.health === "warn" ? healthWord(node.health) : "",
    node.up_to_date === false ? "stale" : "",
    BREAKER[breakerKey(node.circuit_breaker)]?.[1] ?? "",
  ].filter(Boolean);
}

export function emptyState(title, ...words) {
  return h("div.empty", {}, h("h2", {}, title), words.map((word) => h("p", {}, word)));
}

/* An error: what is wrong, where, the nearest valid value, what to do. */
export function errorState(error, more = null) {
  const shown = error?.what ? error : { what: error?.message ?? String(error), fix: "Reload the page." };
  return h(
    "div.note.bad.error",
    { role: "alert" },
    h("h2", {}, shown.what),
    h("dl", {},
      shown.where && [h("dt", {}, "where"), h("dd", {}, String(shown.where))],
      shown.nearest && [h("dt", {}, "nearest"), h("dd", {}, String(shown.nearest))],
      shown.fix && [h("dt", {}, "what to do"), h("dd", {}, String(shown.fix))]),
    more,
  );
}
