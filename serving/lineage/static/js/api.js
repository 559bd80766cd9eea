/* Asking the server. What belongs here: addresses of the API, its errors, the token. Not: what is made of answers.
   Answers are kept for a moment, so that going back and forth asks nothing twice. */

const KEPT = 60;
const MOMENT = 15_000;
const kept = new Map();

/* What went wrong, as every answer of the API says it: what, where, the nearest valid thing, and what to do. */
export class Wrong extends Error {
  constructor({ what, where, nearest, fix } = {}, status = 0) {
    super(what || "the server gave no reason");
    Object.assign(this, { what: what || "the server gave no reason", where, nearest, fix, status });
  }
}

export function forget() {
  kept.clear();
}

export async function get(path, query = {}, { signal } = {}) {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const known = kept.get(url.href);
  if (known && performance.now() - known.at < MOMENT) return known.answer;
  const answer = await ask(url, signal);
  if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
  kept.set(url.href, { at: performance.now(), answer });
  return answer;
}

async function ask(url, signal) {
  let answer;
  try {
    answer = await fetch(url, { signal, headers: authorization() });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Wrong({
      what: "the lineage server does not answer",
      where: url.origin,
      fix: "see whether it still runs; `slipway lineage serve` starts it",
    });
  }
  let body = null;
  try {
    body = await answer.json();
  } catch {
    /* an answer that is no JSON is an error of its own, told below */
  }
  if (answer.ok && body !== null) return body;
  const said = body?.error ?? (typeof body?.detail === "string" ? { what: body.detail } : {});
  throw new Wrong({ what: `the server answered ${answer.status}`, where: url.pathname, ...said }, answer.status);
}

/* A server that is bound elsewhere than to this machine wants a token; it is kept for this tab only. */
function authorization() {
  try {
    const token = sessionStorage.getItem("lineage-token");
    return token ? { Authorization: `Bearer ${token}` } : {};
  } catch {
    return {};
  }
}

export function useToken(token) {
  sessionStorage.setItem("lineage-token", token);
  forget();
}

const part = encodeURIComponent;

export const overview = (options) => get("overview", {}, options);
export const search = (query, options) => get("search", query, options);
export const graph = (query, options) => get("graph", { ...query, column_edges: false }, options);
export const nodeByName = (name, at, options) => get("nodes/by-name", { name, at }, options);
export const node = (id, at, options) => get(`nodes/${part(id)}`, { at }, options);
export const impact = (id, name, options) => get("impact", { id, column: name }, options);
export const run = (id, options) => get(`runs/${part(id)}`, {}, options);
export const runs = (query, options) => get("runs", query, options);
export const diff = (a, b, options) => get("runs/diff", { a, b }, options);
