/* Where the pages start: which page an address means, keys that work everywhere, and what is shown when one fails.
   What belongs here: the frame. Not: any page's content. */

import * as api from "./api.js";
import { errorState } from "./badges.js";
import { h, put, say } from "./dom.js";
import { openKeys, keysOpen } from "./keys.js";
import { focusSearch, startSearch } from "./search.js";
import { now, toNode } from "./routes.js";

/* Each page: async (route, {content, signal}) -> {title, update?(route) -> true when it took the new address itself, close?()} */
const PAGES = {
  "": () => import("./overview.js"),
  graph: () => import("./node_page.js"),
  node: () => import("./node_page.js"),
  search: () => import("./results_page.js"),
  run: () => import("./run_page.js"),
  runs: () => import("./runs_page.js"),
  diff: () => import("./diff_page.js"),
  impact: () => import("./impact_page.js"),
};

const content = document.getElementById("content");
let shown = null; // the page that is seen: {page, title, update, close}
let loading = null;
let first = true;

async function show() {
  const route = now();
  if (shown?.page === route.page && shown.update?.(route)) return;
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  shown?.close?.();
  shown = null;
  content.setAttribute("aria-busy", "true");
  mark(route);
  try {
    const load = PAGES[route.page];
    if (!load) throw new api.Wrong({ what: "there is no such page", where: location.hash, fix: "search, or begin at the overview" });
    const { show: open } = await load();
    const page = await open(route, { content, signal });
    if (signal.aborted) return page?.close?.();
    shown = { page: route.page, ...page };
    entitle(page.title);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    fail(error);
  } finally {
    if (!signal.aborted) content.removeAttribute("aria-busy");
  }
  if (!signal.aborted) arrived();
}

export function entitle(title) {
  document.title = title ? `${title} · Lineage` : "Lineage";
}

function fail(error) {
  if (!error.what) console.error(error);
  put(content, h("div.page", {}, error.status === 401 || error.status === 403 ? tokenForm(error) : errorState(error, nearest(error))));
  entitle("Something is wrong");
}

function nearest(error) {
  return typeof error.nearest === "string" && error.status === 404 && now().page === "node"
    ? h("p", {}, "Did you mean ", h("a", { href: toNode(error.nearest) }, error.nearest), "?")
    : null;
}

function tokenForm(error) {
  const field = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const form = h("form.token", { onsubmit: (event) => { event.preventDefault(); api.useToken(field.value); show(); } },
    h("label", { for: "token" }, "Token of this server"), field, h("button", { type: "submit" }, "Use it"));
  return errorState(error, form);
}

/* A new page begins at its top, and a screen reader at its heading. */
function arrived() {
  if (!first) {
    scrollTo(0, 0);
    if (document.activeElement === document.body || !document.activeElement?.isConnected) content.focus({ preventScroll: true });
    say(document.title);
  }
  first = false;
}

function mark(route) {
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === `#/${route.page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

const writing = (target) => target.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target) || keysOpen()) return;
  if (event.key === "/") focusSearch();
  else if (event.key === "?") openKeys();
  else return;
  event.preventDefault();
});

document.getElementById("theme").addEventListener("click", () => window.switchTheme());
document.getElementById("help").addEventListener("click", () => openKeys());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is a page's, not an anchor's
  content.focus();
});
startSearch(document.getElementById("search"));
addEventListener("hashchange", show);
show();
