/* Requests to the server. What belongs here: addresses of the API, its errors, the token. Not: what pages do with answers.
   Answers are cached for a moment, so that going back and forward sends no request twice. */

const CACHED = 60; // answers
const CACHE_MS = 15_000;
const cache = new Map();

/* An error of the API: what is wrong, where, the nearest valid value, what to do. */
export class ApiError extends Error {
  constructor({ what, where, nearest, fix } = {}, status = 0) {
    super(what || "The server gave no reason.");
    Object.assign(this, { what: what || "The server gave no reason.", where, nearest, fix, status });
  }
}

function clearCache() {
  cache.clear();
}

export async function get(path, query = {}, { signal } = {}) {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const known = cache.get(url.href);
  if (known && performance.now() - known.at < CACHE_MS) return known.answer;
  const answer = await request(url, signal);
  if (cache.size >= CACHED) cache.delete(cache.keys().next().value);
  cache.set(url.href, { at: performance.now(), answer });
  return answer;
}

async function request(url, signal) {
  let answer;
  try {
    answer = await fetch(url, { signal, headers: authorization() });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({
      what: "The lineage server does not answer.",
      where: url.origin,
      fix: "Check that it runs; `slipway lineage serve` starts it.",
    });
  }
  let body = null;
  try {
    body = await answer.json();
  } catch {
    /* not JSON: reported below */
  }
  if (answer.ok && body !== null) return body;
  const problem = body?.error ?? (typeof body?.detail === "string" ? { what: body.detail } : {});
  throw new ApiError({ what: `The server answered with status ${answer.status}.`, where: url.pathname, ...problem }, answer.status);
}

/* A server that is bound to other addresses than this machine's requires a token; it is kept for this tab only. */
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
  clearCache();
}

const part = encodeURIComponent;

export const kinds = (options) => get("kinds", {}, options);
export const overview = (options) => get("overview", {}, options);
export const search = (query, options) => get("search", query, options);
export const graph = (query, options) => get("graph", { ...query, column_edges: false }, options);
export const nodeByName = (name, at, options) => get("nodes/by-name", { name, at }, options);
export const node = (id, at, options) => get(`nodes/${part(id)}`, { at }, options);
export const impact = (id, name, options) => get("impact", { id, column: name }, options);
export const run = (id, options) => get(`runs/${part(id)}`, {}, options);
export const runs = (query, options) => get("runs", query, options);
export const diff = (a, b, options) => get("runs/diff", { a, b }, options);
