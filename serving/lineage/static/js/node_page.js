/* The page of a node, and of the whole graph: the graph, the panel beside it, the slider of time.
   What belongs here: what is loaded and selected, by the page's address. Not: the parts themselves (graph/, side_panel.js). */

import * as api from "./api.js";
import { timeline } from "./as_of.js";
import { announce, h, put, setTitle } from "./dom.js";
import { count, when } from "./format.js";
import { canCollapse } from "./graph/cards.js";
import { Model } from "./graph/model.js";
import { Stage } from "./graph/stage.js";
import { DEPTH, toolbar, UNLIMITED } from "./graph/toolbar.js";
import { address, go, now } from "./routes.js";
import { SidePanel } from "./side_panel.js";

const MOST = 400; // nodes

export async function show(route, { content, signal }) {
  const page = new NodePage(content, signal);
  await page.open(route);
  return { get title() { return page.title; }, update: (next) => page.update(next), close: () => page.close() };
}

class NodePage {
  constructor(content, signal) {
    Object.assign(this, { content, signal, stage: null, model: null, selected: null, wide: false });
    this.keys = (event) => this.key(event);
    addEventListener("keydown", this.keys);
  }

  close() {
    removeEventListener("keydown", this.keys);
    this.stage?.destroy();
    this.stage = null;
    this.closed = true;
  }

  async open(route) {
    this.name = route.page === "node" ? route.parts.join("/") : undefined;
    await this.load(route);
    this.domains = this.name ? [] : (await api.overview({ signal: this.signal })).domains.map(({ name }) => name);
    this.build();
    await this.begin();
  }

  /* Loads the graph of an address. */
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
    this.described = null;
    if (before) this.model.open = before.open;
  }

  build() {
    const place = h("div.stage-place");
    this.panel = new SidePanel();
    this.tools = h("div.tools", { role: "toolbar", "aria-label": "Graph" });
    this.past = h("div.past-place");
    this.time = h("div.time-place");
    put(this.content, h("div.workspace", {},
      h("section.stage", { "aria-label": "Graph" }, this.tools, this.past, place,
        h("p.unseen", { id: "graph-hint" }, "Arrow keys move along edges, Enter shows details, Space shows columns, u and d expand, question mark lists all shortcuts."),
        this.time),
      this.panel.element));
    this.stage = new Stage(place, {
      select: (id) => this.choose(id),
      enter: (id) => this.choose(id, { enter: true }),
      begin: (id) => this.makeRoot(id),
      expand: (id, side) => this.expand(id, side),
      open: (id) => this.toggleColumns(id),
      column: (id, column) => this.chooseColumn(id, column),
    });
  }

  async begin({ stay = false } = {}) {
    this.updateTimeline();
    const { at } = this.query;
    put(this.past, at ? h("p.past", {}, h("strong", {}, `As of ${when(at)} UTC. `), "Later changes are not shown. ",
      h("button.link", { type: "button", onclick: () => this.goTo({ at: "" }) }, "Back to now")) : null);
    await this.look(this.route, { begin: true, stay });
  }

  updateTimeline() {
    const jobs = new Set([...this.model.edges.values()].flatMap(({ job }) => (job ? job.split(", ") : [])));
    this.slider ??= timeline(this.time, { name: this.name, jobs, change: (at) => this.goTo({ at }, { replace: true }), signal: this.signal });
    this.slider.then((show) => show(this.query.at)).catch((error) => error.name !== "AbortError" && put(this.time));
  }

  /* Another address of this page: another selection in the loaded graph, or the same node's graph with other options. */
  update(route) {
    const name = route.page === "node" ? route.parts.join("/") : undefined;
    if (route.page !== this.route.page || name !== this.name || route.query.domain !== this.route.query.domain) return false;
    const changed = ["direction", "depth", "at", "limit"].filter((word) => route.query[word] !== this.route.query[word]);
    this.route = route;
    this.follow(route, changed).catch((error) => this.fail(error));
    return true;
  }

  async follow(route, changed) {
    if (!changed.length) return this.look(route);
    this.content.setAttribute("aria-busy", "true");
    try {
      await this.load(route);
      if (!this.closed && this.route === route) await this.begin({ stay: changed.join() === "at" });
    } finally {
      this.content.removeAttribute("aria-busy");
    }
  }

  fail(error) {
    if (error.name === "AbortError" || this.closed) return;
    this.updateTimeline();
    put(this.past);
    this.stage.clear();
    if (error.status === 404 && this.query.at) this.panel.showNotYet(this.name, this.query.at, () => this.goTo({ at: "" }));
    else this.panel.showError(error);
  }

  byName(name) {
    return [...this.model.nodes.values()].find((node) => node.name === name)?.id ?? null;
  }

  /* Shows the selection of an address: node, column, graph or list. */
  async look({ query }, { begin = false, stay = false } = {}) {
    const { model, stage } = this;
    this.panel.hide(this.wide || (!model.root && !query.selected));
    const selected = (query.selected && this.byName(query.selected)) || model.root;
    const column = query.column ?? "";
    const moved = selected !== this.selected;
    const unstacked = moved && (!stage.view.shown.has(selected) || model.nodes.get(this.selected)?.kind === "FILE"); // a file leaves its stack, or goes back
    const shownPath = model.path ? `${model.path.at.node} ${model.path.at.column}` : "";
    const path = column && selected ? `${selected} ${column}` : "";
    this.selected = selected;
    if (path !== shownPath) await this.loadPath(selected, column);
    if (this.closed || this.selected !== selected) return; // the selection changed meanwhile
    stage.list(query.view === "list", model, this.link());
    if (begin || path !== shownPath || unstacked) this.redraw(begin && !stay ? null : selected);
    else if (moved) stage.view.select(selected);
    if (begin && !stay) stage.view.begin();
    if (model.path && ((begin && !stay) || path !== shownPath)) stage.showPath(selected);
    this.showToolbar();
    if (begin || moved || path !== this.described) {
      this.described = path;
      await this.describe(selected, column);
    }
  }

  async loadPath(id, column) {
    this.model.clearPath();
    if (!id || !column) return;
    const answer = await api.graph({ id, column, direction: "both", depth: UNLIMITED, at: this.query.at, limit: MOST }, { signal: this.signal });
    this.model.expand(id, null, answer);
    this.model.setPath(id, column, answer.column_edges, answer.nodes.map((node) => node.id));
    announce(`The lineage of ${column} goes through ${count(this.model.path.columns.size, "node")}`);
  }

  redraw(keep) {
    this.stage.redraw(this.model, { selected: this.selected, keep, link: this.link() });
  }

  redrawAt(id) {
    const focused = this.stage.hasFocus();
    this.redraw(id);
    this.showToolbar();
    if (focused) this.stage.view.focus(id);
  }

  async describe(id, column) {
    if (!id) return this.panel.clear();
    try {
      const node = await api.node(id, this.query.at, { signal: this.signal });
      if (this.closed || this.selected !== id) return;
      this.panel.showNode(node, {
        column, at: this.query.at, isRoot: id === this.model.root, path: this.model.path, nodeOf: (other) => this.model.nodes.get(other),
        chooseColumn: (name) => this.chooseColumn(id, name), begin: () => this.makeRoot(id), close: () => this.goTo({ selected: "", column: "" }),
      });
      this.title = column ? `${node.name}.${column}` : node.name;
      setTitle(this.title);
    } catch (error) {
      if (error.name !== "AbortError") this.panel.showError(error);
    }
  }

  goTo(change, options) {
    go(address(this.route.page, this.route.parts, { ...now().query, ...change }), options);
  }

  /* The address of this page with another node selected. */
  link() {
    return (node) => address(this.route.page, this.route.parts, { ...this.route.query, selected: node.id === this.model.root ? "" : node.name, column: "" });
  }

  choose(id, { enter = false } = {}) {
    const node = this.stage.view.shown.get(id);
    if (!node) return;
    if (node.members) return this.showStack(node, enter);
    if (enter) this.wide = false;
    const same = id === this.selected;
    this.panel.focusNext = enter && !same;
    this.goTo({ selected: id === this.model.root ? "" : node.name, column: same ? now().query.column : "" });
    if (enter && same) {
      this.panel.hide(false);
      this.panel.focus();
    }
    this.panel.scrollIntoViewIfBelow();
  }

  widen() {
    this.wide = !this.wide;
    this.panel.hide(this.wide);
    this.stage.widen(this.model, this.selected);
    this.showToolbar();
  }

  showStack(stack, enter) {
    this.selected = stack.id;
    this.stage.view.select(stack.id);
    this.panel.hide(this.wide);
    this.panel.showStack(stack, { href: this.link(), each: () => this.toggleColumns(stack.id) });
    if (enter) this.panel.focus();
  }

  chooseColumn(id, column) {
    const node = this.stage.view.shown.get(id)?.members?.[0] ?? this.model.nodes.get(id);
    const { at } = this.model.path ?? {};
    const chosen = at?.node === node.id && at.column === column;
    this.goTo({ selected: node.id === this.model.root ? "" : node.name, column: chosen ? "" : column });
  }

  makeRoot(id) {
    const node = this.model.nodes.get(id);
    if (node) go(address("node", [node.name], { ...now().query, selected: "", domain: "", limit: "" }));
  }

  toggleColumns(id) {
    const { members, columns } = this.stage.view.shown.get(id) ?? {};
    if (members) {
      for (const file of members) this.model.apart.add(file.id);
      this.selected = this.model.root;
      return this.redrawAt(members[0].id);
    }
    if (!columns?.length) return;
    if (!this.model.open.delete(id)) this.model.open.add(id);
    this.redrawAt(id);
  }

  async expand(id, side) {
    const node = this.stage.view.shown.get(id);
    if (!node || node.members) return;
    const hidden = this.model.more[id]?.[side] ?? 0;
    if (this.model.isCollapsed(id, side)) this.model.toggle(id, side);
    else if (hidden) {
      const direction = side === "up" ? "upstream" : "downstream";
      try {
        const answer = await api.graph({ id, direction, depth: 1, at: this.query.at, limit: MOST }, { signal: this.signal });
        announce(`${count(this.model.expand(id, side, answer), "node")} more ${direction} of ${node.name}`);
      } catch (error) {
        if (error.name !== "AbortError") announce(error.what ?? String(error));
        return;
      }
    } else if (canCollapse(id, side, this.model)) this.model.toggle(id, side);
    else return;
    this.redrawAt(id);
  }

  key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.stage) return;
    if (event.target.matches?.("input, select, textarea") || document.querySelector("dialog[open]")) return;
    const { viewport, listed } = this.stage;
    const zoomIn = () => viewport.zoomBy(1.3);
    const act = {
      f: () => viewport.fit(), "+": zoomIn, "=": zoomIn, "-": () => viewport.zoomBy(1 / 1.3),
      w: () => this.widen(), l: () => this.goTo({ view: listed ? "" : "list" }), Escape: () => this.escape(),
    }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }

  /* One step back: from the panel to the graph, from a column to the node, from a node to the root. */
  escape() {
    if (this.panel.hasFocus()) this.stage.view.focus(this.selected ?? undefined);
    else if (now().query.column) this.goTo({ column: "" });
    else if (now().query.selected) this.goTo({ selected: "" });
  }

  showToolbar() {
    const { model, domains, selected, wide, query: { direction, depth }, route: { query }, stage: { listed } } = this;
    put(this.tools, toolbar({ model, query, direction, depth, domains, listed, selected, wide }, { goTo: (change) => this.goTo(change), widen: () => this.widen() }));
  }
}
