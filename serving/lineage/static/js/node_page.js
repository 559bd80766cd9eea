/* The page of a node, and of the whole graph: drawing or list, the panel beside it, the slider of time.
   What belongs here: what belongs together on that page, and what its address says. Not: the parts themselves. */

import * as api from "./api.js";
import { timeline } from "./as_of.js";
import { emptyState, errorState } from "./badges.js";
import { h, put, say } from "./dom.js";
import { count, when } from "./format.js";
import { canCollapse } from "./graph/cards.js";
import { legend } from "./graph/legend.js";
import { listOf } from "./graph/list.js";
import { Model } from "./graph/model.js";
import { GraphView } from "./graph/view.js";
import { panelOf, stackPanel } from "./node_panel.js";
import { address, go, now } from "./routes.js";
import { entitle } from "./app.js";

const DEPTH = 2;
const MOST = 400;
const ALL = 5000;
const DEEP = 20; // columns are followed to their end
const NARROW = "(max-width: 52rem)";

export async function show(route, { content, signal }) {
  const page = new NodePage(content, signal);
  await page.open(route);
  return { get title() { return page.title; }, update: (next) => page.update(next), close: () => page.close() };
}

class NodePage {
  constructor(content, signal) {
    Object.assign(this, { content, signal, view: null, model: null, selected: null });
    this.keys = (event) => this.key(event);
    addEventListener("keydown", this.keys);
  }

  close() {
    removeEventListener("keydown", this.keys);
    this.view?.destroy();
    this.view = null;
    this.closed = true;
  }

  async open(route) {
    this.name = route.page === "node" ? route.parts.join("/") : undefined;
    await this.load(route);
    this.domains = this.name ? [] : (await api.overview({ signal: this.signal })).domains.map(({ name }) => name);
    this.frame();
    await this.begin();
  }

  /* The graph that an address means. */
  async load(route) {
    const { query } = route;
    this.route = route;
    this.title = this.name ?? (query.domain ? `${query.domain}: graph` : "Graph");
    this.query = { direction: query.direction ?? "both", depth: Number(query.depth ?? DEPTH), at: query.at ?? "" };
    const { at } = this.query;
    const limit = query.limit ?? MOST;
    const answer = await (this.name
      ? api.graph({ name: this.name, at, limit, direction: this.query.direction, depth: this.query.depth }, { signal: this.signal })
      : api.graph({ domain: query.domain, at, limit }, { signal: this.signal }));
    const before = this.model;
    this.model = new Model(answer);
    this.selected = null;
    this.paneled = null;
    if (before) this.model.open = before.open;
  }

  async begin({ stay = false } = {}) {
    this.timeline();
    const { at } = this.query;
    put(this.past, at ? h("p.past", {}, h("strong", {}, `As of ${when(at)} UTC. `), "What happened since is not shown. ",
      h("button.link", { type: "button", onclick: () => this.goTo({ at: "" }) }, "Back to now")) : null);
    await this.look(this.route, { begin: true, stay });
  }

  frame() {
    this.view?.destroy();
    this.stage = h("div.stage-place");
    this.panel = h("aside.panel", { "aria-label": "Details", tabindex: "-1" });
    this.tools = h("div.tools", { role: "toolbar", "aria-label": "Graph" });
    this.past = h("div.past-place");
    this.time = h("div.time-place");
    put(this.content, h("div.workspace", {},
      h("section.stage", { "aria-label": "Graph" }, this.tools, this.past, this.stage,
        h("p.unseen", { id: "graph-hint" }, "Arrow keys move along edges, Enter opens, Space shows columns, u and d expand, question mark shows all keys."),
        this.time),
      this.panel));
    this.view = new GraphView(this.stage, {
      select: (id) => this.choose(id),
      enter: (id) => this.choose(id, { enter: true }),
      begin: (id) => this.root(id),
      expand: (id, way) => this.expand(id, way),
      open: (id) => this.toggleColumns(id),
      column: (id, column) => this.chooseColumn(id, column),
    });
    this.legend = legend();
    this.stage.append(this.legend, h("div.zoom", { role: "group", "aria-label": "Zoom" },
      tool("+", "Nearer (+)", () => this.view.zoomBy(1.3)), tool("−", "Farther (−)", () => this.view.zoomBy(1 / 1.3)), tool("⤢", "Fit all (f)", () => this.view.fit())));
  }

  timeline() {
    const jobs = new Set([...this.model.edges.values()].flatMap(({ job }) => (job ? job.split(", ") : [])));
    this.slider ??= timeline(this.time, { name: this.name, jobs, change: (at) => this.goTo({ at }, { replace: true }), signal: this.signal });
    this.slider.then((show) => show(this.query.at)).catch((error) => error.name !== "AbortError" && put(this.time));
  }

  /* Another address of this page: another look at the graph that is loaded, or the same node's graph loaded anew. */
  update(route) {
    const name = route.page === "node" ? route.parts.join("/") : undefined;
    if (route.page !== this.route.page || name !== this.name || route.query.domain !== this.route.query.domain) return false;
    const other = ["direction", "depth", "at", "limit"].filter((word) => route.query[word] !== this.route.query[word]);
    this.route = route;
    this.follow(route, other).catch((error) => this.fail(error));
    return true;
  }

  async follow(route, other) {
    if (!other.length) return this.look(route);
    this.content.setAttribute("aria-busy", "true");
    try {
      await this.load(route);
      if (!this.closed && this.route === route) await this.begin({ stay: other.join() === "at" });
    } finally {
      this.content.removeAttribute("aria-busy");
    }
  }

  fail(error) {
    if (error.name === "AbortError" || this.closed) return;
    const early = error.status === 404 && this.query.at;
    this.timeline();
    put(this.past);
    this.view.clear();
    put(this.panel, early
      ? emptyState("Not there yet", `At ${when(this.query.at)} UTC nothing was known of ${this.name}.`, h("button", { type: "button", onclick: () => this.goTo({ at: "" }) }, "Back to now"))
      : errorState(error));
  }

  byName(name) {
    for (const node of this.model.nodes.values()) if (node.name === name) return node.id;
    return null;
  }

  async look({ query }, { begin = false, stay = false } = {}) {
    this.panel.parentElement.classList.toggle("alone", this.wide || (!this.model.root && !query.selected));
    const selected = (query.selected && this.byName(query.selected)) || this.model.root;
    const column = query.column ?? "";
    const list = query.view === "list";
    const moved = selected !== this.selected;
    const unstacked = moved && (!this.view.shown?.has(selected) || this.model.nodes.get(this.selected)?.kind === "FILE"); // a file leaves its stack, or goes back
    const lit = this.model.path ? `${this.model.path.at.node} ${this.model.path.at.column}` : "";
    const wanted = column && selected ? `${selected} ${column}` : "";
    this.selected = selected;
    if (wanted !== lit) await this.light(selected, column);
    if (this.closed || this.selected !== selected) return; // another look was taken meanwhile
    this.list(list);
    if (begin || wanted !== lit || unstacked) this.redraw(begin && !stay ? null : selected);
    else if (moved) this.view.select(selected);
    if (begin && !stay) {
      this.view.begin();
      if (wanted) this.showPath();
    } else if (wanted !== lit && wanted) this.showPath();
    this.toolbar();
    if (begin || moved || wanted !== this.paneled) {
      this.paneled = wanted;
      await this.describe(selected, column);
    }
  }

  async light(id, column) {
    this.model.unlight();
    if (!id || !column) return;
    const answer = await api.graph({ id, column, direction: "both", depth: DEEP, at: this.query.at, limit: MOST }, { signal: this.signal });
    this.model.expand(id, null, answer);
    this.model.light(id, column, answer.column_edges, answer.nodes.map((node) => node.id));
    say(`The path of ${column} goes through ${count(this.model.path.columns.size, "node")}`);
  }

  showPath() {
    if (!this.model.path) return;
    const ids = [...this.view.seen.path.columns.keys()];
    this.view.fit(1, ids);
    if (this.view.cy.zoom() < 0.46) {
      this.view.zoomTo(0.7);
      this.view.center(this.selected);
    }
  }

  redraw(keep) {
    this.nothing?.remove();
    if (!this.model.nodes.size) {
      this.view.clear();
      this.stage.append(this.nothing = emptyState("Nothing to draw yet", ["Run ", h("code", {}, "slipway demo"), ", or take a later moment."]));
      return;
    }
    this.view.draw(this.model, { selected: this.selected, keep });
    if (this.listed) this.list(true);
  }

  list(on) {
    this.listed = on;
    this.table?.remove();
    this.table = null;
    this.stage.classList.toggle("as-list", on);
    if (!on) return;
    this.table = listOf(this.model, (node) => address(this.route.page, this.route.parts, { ...this.route.query, selected: node.id === this.model.root ? "" : node.name, column: "" }));
    this.stage.append(this.table);
  }

  async describe(id, column) {
    if (!id) return put(this.panel);
    try {
      const node = await api.node(id, this.query.at, { signal: this.signal });
      if (this.closed || this.selected !== id) return;
      put(this.panel, panelOf(node, {
        column, at: this.query.at, isRoot: id === this.model.root, path: this.model.path, names: (other) => this.model.nodes.get(other),
        chooseColumn: (name) => this.chooseColumn(id, name), begin: () => this.root(id), close: () => this.goTo({ selected: "", column: "" }),
      }));
      this.panel.scrollTop = 0;
      this.title = column ? `${node.name}.${column}` : node.name;
      entitle(this.title);
      if (this.entering) {
        this.entering = false;
        this.panel.querySelector("h1")?.focus();
      }
    } catch (error) {
      if (error.name !== "AbortError") put(this.panel, errorState(error));
    }
  }

  goTo(change, options) {
    go(address(this.route.page, this.route.parts, { ...now().query, ...change }), options);
  }

  choose(id, { enter = false } = {}) {
    const node = this.view.shown.get(id);
    if (!node) return;
    if (node.members) return this.showStack(node, enter);
    this.entering = enter;
    if (enter) this.wide = false;
    const same = id === this.selected;
    const keepColumn = same ? now().query.column : "";
    this.goTo({ selected: id === this.model.root ? "" : node.name, column: keepColumn });
    if (enter && same) {
      this.entering = false;
      this.panel.parentElement.classList.remove("alone");
      this.panel.querySelector("h1")?.focus();
    }
    if (matchMedia(NARROW).matches) this.panel.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  /* The graph over the whole width, its details away, or back again. */
  widen() {
    this.wide = !this.wide;
    this.panel.parentElement.classList.toggle("alone", this.wide);
    this.view.resize();
    if (this.model.path) this.showPath();
    else this.view.begin();
    this.toolbar();
  }

  /* A stack of files has no page of its own: its files are listed. */
  showStack(stack, enter) {
    this.selected = stack.id;
    this.view.select(stack.id);
    this.panel.parentElement.classList.toggle("alone", Boolean(this.wide));
    put(this.panel, stackPanel(stack, {
      href: (file) => address(this.route.page, this.route.parts, { ...now().query, selected: file.name, column: "" }),
      each: () => this.toggleColumns(stack.id),
    }));
    if (enter) this.panel.querySelector("h1").focus();
  }

  chooseColumn(id, column) {
    const shown = this.view.shown.get(id);
    const node = shown?.members?.[0] ?? this.model.nodes.get(id);
    id = node.id;
    const { at } = this.model.path ?? {};
    const off = at?.node === id && at.column === column;
    this.goTo({ selected: id === this.model.root ? "" : node.name, column: off ? "" : column });
  }

  root(id) {
    const node = this.model.nodes.get(id);
    if (node) go(address("node", [node.name], { ...now().query, selected: "", domain: "", limit: "" }));
  }

  toggleColumns(id) {
    const { members, columns } = this.view.shown.get(id) ?? {};
    if (members) {
      for (const file of members) this.model.apart.add(file.id);
      this.selected = this.model.root;
      return this.redrawAt(members[0].id);
    }
    if (!columns?.length) return;
    if (!this.model.open.delete(id)) this.model.open.add(id);
    this.redrawAt(id);
  }

  redrawAt(id) {
    const focused = this.view.canvas.contains(document.activeElement);
    this.redraw(id);
    this.toolbar();
    if (focused) this.view.focus(id);
  }

  async expand(id, way) {
    const node = this.view.shown.get(id);
    if (!node || node.members) return;
    const left = this.model.more[id]?.[way] ?? 0;
    if (this.model.isCollapsed(id, way)) this.model.toggle(id, way);
    else if (left) {
      const direction = way === "up" ? "upstream" : "downstream";
      try {
        const answer = await api.graph({ id, direction, depth: 1, at: this.query.at, limit: MOST }, { signal: this.signal });
        say(`${count(this.model.expand(id, way, answer), "node")} more ${direction} of ${node.name}`);
      } catch (error) {
        if (error.name !== "AbortError") say(error.what ?? String(error));
        return;
      }
    } else if (canCollapse(id, way, this.model)) this.model.toggle(id, way);
    else return;
    this.redrawAt(id);
  }

  leavePanel() {
    this.view.focus(this.selected ?? undefined);
  }

  key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches?.("input, select, textarea") || document.querySelector("dialog[open]")) return;
    const act = {
      f: () => this.view.fit(), "+": () => this.view.zoomBy(1.3), "=": () => this.view.zoomBy(1.3), "-": () => this.view.zoomBy(1 / 1.3),
      w: () => this.widen(), l: () => this.goTo({ view: this.listed ? "" : "list" }), Escape: () => this.escape(),
    }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }

  /* One step back: from the panel to the graph, from a column's path to all, from a node to where the graph begins. */
  escape() {
    if (this.panel.contains(document.activeElement)) this.leavePanel();
    else if (now().query.column) this.goTo({ column: "" });
    else if (now().query.selected) this.goTo({ selected: "" });
  }

  toolbar() {
    const { direction, depth } = this.query;
    const { query } = this.route;
    const way = (value, words, title) => h("button", { type: "button", title, "aria-pressed": String(direction === value), onclick: () => this.goTo({ direction: value === "both" ? "" : value }) }, words);
    const look = (value, words) => h("button", { type: "button", "aria-pressed": String(this.listed === (value === "list")), onclick: () => this.goTo({ view: value }), title: "Drawing or list (l)" }, words);
    put(this.tools,
      this.model.root ? [
        h("div.segments", { role: "group", "aria-label": "Direction" }, way("upstream", "← Upstream", "What it is made from"), way("both", "Both"), way("downstream", "Downstream →", "What is made from it")),
        h("label.depth", {}, "depth ", h("select", { "aria-label": "Depth", onchange: (event) => this.goTo({ depth: Number(event.target.value) === DEPTH ? "" : event.target.value }) },
          [1, 2, 3, 4, 6, 8, DEEP].map((steps) => h("option", { value: steps, selected: steps === depth }, steps === DEEP ? "all" : steps)))),
      ] : h("label.depth", {}, "domain ", h("select", { "aria-label": "Domain", onchange: (event) => go(address("graph", [], { domain: event.target.value, view: query.view })) },
        ["", ...this.domains].map((domain) => h("option", { value: domain, selected: domain === (query.domain ?? "") }, domain || "all")))),
      h("div.segments", { role: "group", "aria-label": "View" }, look("", "Graph"), look("list", "List")),
      h("span.soft.many", {}, count([...this.model.seen()].length, "node"), this.model.truncated ? [", not all ", query.limit ? null : h("button.link", { type: "button", onclick: () => this.goTo({ limit: ALL }) }, "show all")] : null),
      this.model.path ? h("button.chip.on", { type: "button", title: "Esc", onclick: () => this.goTo({ column: "" }) }, "column ", h("code", {}, this.model.path.at.column), " ✕") : null,
      this.selected ? h("button.icon.wide", { type: "button", "aria-pressed": String(Boolean(this.wide)), title: this.wide ? "Show details (w)" : "Hide details (w)", "aria-label": "Hide details", onclick: () => this.widen() }, this.wide ? "⇤" : "⇥") : null);
  }
}

function tool(sign, title, onclick) {
  return h("button.icon", { type: "button", title, "aria-label": title, onclick }, sign);
}
