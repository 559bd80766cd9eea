/* The entry point: the page of each address, shortcuts that work everywhere, errors of loading a page.
   What belongs here: the frame around pages. Not: a page's content. */

import * as api from "./api.js";
import { errorState } from "./badges.js";
import { announce, h, put, setTitle } from "./dom.js";
import { openKeys, keysOpen } from "./keys.js";
import { loadKinds } from "./kinds.js";
import { focusSearch, startSearch } from "./search.js";
import { now, toNode } from "./routes.js";

/* Each page: async (route, {content, signal}) -> {title, update?(route) -> whether it shows the new address itself, close?()} */
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
    if (!load) throw new api.ApiError({ what: "There is no such page.", where: location.hash, fix: "Search, or start at the overview." });
    const [{ show: open }] = await Promise.all([load(), loadKinds({ signal })]);
    const page = await open(route, { content, signal });
    if (signal.aborted) return page?.close?.();
    shown = { page: route.page, ...page };
    setTitle(page.title);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    fail(error);
  } finally {
    if (!signal.aborted) content.removeAttribute("aria-busy");
  }
  if (!signal.aborted) arrived();
}

function fail(error) {
  if (!error.what) console.error(error);
  put(content, h("div.page", {}, error.status === 401 || error.status === 403 ? tokenForm(error) : errorState(error, nearest(error))));
  setTitle("Error");
}

function nearest(error) {
  return typeof error.nearest === "string" && error.status === 404 && now().page === "node"
    ? h("p", {}, "Did you mean ", h("a", { href: toNode(error.nearest) }, error.nearest), "?")
    : null;
}

function tokenForm(error) {
  const field = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const form = h("form.token", { onsubmit: (event) => { event.preventDefault(); api.useToken(field.value); show(); } },
    h("label", { for: "token" }, "Token of this server"), field, h("button", { type: "submit" }, "Continue"));
  return errorState(error, form);
}

/* Scrolls a new page to its top, and announces it. */
function arrived() {
  if (!first) {
    scrollTo(0, 0);
    if (document.activeElement === document.body || !document.activeElement?.isConnected) content.focus({ preventScroll: true });
    announce(document.title);
  }
  first = false;
}

function mark(route) {
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === `#/${route.page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

const isInput = (target) => target.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isInput(event.target) || keysOpen()) return;
  if (event.key === "/") focusSearch();
  else if (event.key === "?") openKeys();
  else return;
  event.preventDefault();
});

document.getElementById("theme").addEventListener("click", () => window.switchTheme());
document.getElementById("help").addEventListener("click", () => openKeys());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the hash is a page's address, not an anchor
  content.focus();
});
startSearch(document.getElementById("search"));
addEventListener("hashchange", show);
show();
