/* Search as you type, in the bar of every page: an accessible combobox.
   What belongs here: the field and its list. Not: the page of all results (results_page.js). */

import * as api from "./api.js";
import { stateBadges } from "./badges.js";
import { announce, h, put } from "./dom.js";
import { kindIcon, kindOf, nameOf } from "./kinds.js";
import { go, toNode, toRuns, toSearch } from "./routes.js";
import { count } from "./format.js";

const PAUSE = 120;
const MOST = 8;
const COLUMNS = 4;

let field;

export function focusSearch() {
  field.focus();
  field.select();
}

export function startSearch(place) {
  const list = h("ul.found", { id: "found", role: "listbox", "aria-label": "Results", hidden: true });
  field = h("input", {
    type: "search", id: "words", placeholder: "Search tables, columns, models, jobs", autocomplete: "off", spellcheck: "false",
    role: "combobox", "aria-label": "Search tables, columns, models, jobs", "aria-expanded": "false", "aria-controls": "found", "aria-autocomplete": "list",
  });
  put(place, field, h("kbd", { "aria-hidden": "true" }, "/"), list);
  let timer = 0;
  let request = null;
  let active = -1;

  const options = () => [...list.querySelectorAll("[role=option]")];
  const close = () => {
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const choose = (index) => {
    const all = options();
    if (!all.length) return;
    active = (index + all.length) % all.length;
    all.forEach((one, at) => one.setAttribute("aria-selected", String(at === active)));
    field.setAttribute("aria-activedescendant", all[active].id);
    all[active].scrollIntoView({ block: "nearest" });
  };
  const open = (hash) => {
    close();
    field.blur();
    if (!hash.startsWith("#/search")) field.value = "";
    go(hash);
  };
  const find = async () => {
    const words = field.value.trim();
    request?.abort();
    if (!words) return close();
    request = new AbortController();
    try {
      const answer = await api.search({ q: words, limit: MOST }, { signal: request.signal });
      draw(words, answer);
    } catch (error) {
      if (error.name === "AbortError") return;
      put(list, h("li.nothing", { role: "presentation" }, error.what ?? String(error)));
      list.hidden = false;
    }
  };
  const draw = (words, { results: nodes, total: known, jobs = [] }) => {
    const results = withJobs(nodes, jobs, MOST);
    const total = known + jobs.length;
    active = -1;
    field.removeAttribute("aria-activedescendant");
    const rows = results.flatMap((found, index) => [row(found, `found-${index}`), ...columnRows(found, index)]);
    put(list, rows, results.length
      ? option("found-all", toSearch({ q: words }), h("span.all", {}, `All results (${total})`))
      : h("li.nothing", { role: "presentation" }, `No results for “${words}”.`));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    announce(count(total, "result"));
  };
  const option = (id, hash, ...children) =>
    h("li", { role: "option", id, "aria-selected": "false", data: { hash }, onmousedown: (event) => event.preventDefault(), onclick: () => open(hash) }, children);
  const row = (found, id) => option(id, addressOf(found), kindIcon(found.kind),
    h("span.what", {}, nameOf(found.name), h("small", {}, [kindOf(found.kind).label, found.owner, found.description].filter(Boolean).join(" · "))), stateBadges(found, { small: true }));
  const columnRows = (found, index) => (found.columns_matched ?? []).slice(0, COLUMNS).map((column, at) =>
    option(`found-${index}-${at}`, toNode(found.name, { column: column.name ?? column }), h("span.column", {}, h("code", {}, column.name ?? column), h("small", {}, "column"))));

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, PAUSE);
  });
  field.addEventListener("focus", () => field.value && options().length && (list.hidden = false));
  field.addEventListener("blur", () => setTimeout(close, 150));
  field.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown") choose(active + 1);
    else if (event.key === "ArrowUp") choose(active - 1);
    else if (event.key === "Enter") {
      const all = options();
      if (active >= 0 && all[active]) open(all[active].dataset.hash);
      else if (field.value.trim()) open(toSearch({ q: field.value.trim() }));
    } else if (event.key === "Escape") {
      if (list.hidden) field.blur();
      else close();
    } else return;
    event.preventDefault();
  });
}

/* Nodes and jobs in one list, jobs as a kind of node. */
export function withJobs(nodes, jobs, most) {
  return [...nodes, ...jobs.map((name) => ({ name, kind: "JOB" }))].slice(0, Math.max(nodes.length, most));
}

export function addressOf(found) {
  return kindOf(found.kind).name === "JOB" ? toRuns({ job: found.name }) : toNode(found.name);
}
