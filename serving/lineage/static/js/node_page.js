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
import { panelOf } from "./node_panel.js";
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

  /* What of an address means another graph; the rest is only another look at this one. */
  static same = ({ page, parts, query }) => JSON.stringify([page, parts, query.direction, query.depth, query.at, query.domain, query.limit]);

  async open(route) {
    this.route = route;
    const { query } = route;
    [this.name] = route.page === "node" ? [route.parts.join("/")] : [];
    this.title = this.name ?? (query.domain ? `${query.domain}: graph` : "Graph");
    this.query = { direction: query.direction ?? "both", depth: Number(query.depth ?? DEPTH), at: query.at ?? "" };
    const found = this.name ? await api.nodeByName(this.name, this.query.at, { signal: this.signal }) : null;
    const id = found?.id ?? found?.node?.id;
    const answer = await api.graph({
      id, at: this.query.at, limit: query.limit ?? MOST,
      ...(id ? { direction: this.query.direction, depth: this.query.depth } : { domain: query.domain }),
    }, { signal: this.signal });
    const model = new Model(query.domain && !id ? ofDomain(answer, query.domain) : { ...answer, root: id ? answer.root ?? id : null });
    this.model = model;
    this.frame();
    await this.look(route, { begin: true });
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
      begin: (id) => this.begin(id),
      expand: (id, way) => this.expand(id, way),
      open: (id) => this.toggleColumns(id),
      column: (id, column) => this.chooseColumn(id, column),
    });
    this.legend = legend();
    this.stage.append(this.legend, h("div.zoom", { role: "group", "aria-label": "Zoom" },
      tool("+", "Nearer (+)", () => this.view.zoomBy(1.3)), tool("−", "Farther (−)", () => this.view.zoomBy(1 / 1.3)), tool("⤢", "Fit all (f)", () => this.view.fit())));
    timeline(this.time, { at: this.query.at, id: this.model.root, change: (at) => this.goTo({ at }, { replace: true }), signal: this.signal })
      .catch((error) => error.name !== "AbortError" && put(this.time));
    put(this.past, this.query.at ? h("p.past", {}, h("strong", {}, `As of ${when(this.query.at)} UTC. `), "What happened since is not shown. ",
      h("button.link", { type: "button", onclick: () => this.goTo({ at: "" }) }, "Back to now")) : null);
  }

  /* True when the address is another look at the graph that is loaded. */
  update(route) {
    if (NodePage.same(route) !== NodePage.same(this.route)) return false;
    this.route = route;
    this.look(route).catch((error) => error.name !== "AbortError" && put(this.panel, errorState(error)));
    return true;
  }

  byName(name) {
    for (const node of this.model.nodes.values()) if (node.name === name) return node.id;
    return null;
  }

  async look({ query }, { begin = false } = {}) {
    const selected = (query.selected && this.byName(query.selected)) || this.model.root;
    const column = query.column ?? "";
    const list = query.view === "list";
    const moved = selected !== this.selected;
    const lit = this.model.path ? `${this.model.path.at.node} ${this.model.path.at.column}` : "";
    const wanted = column && selected ? `${selected} ${column}` : "";
    this.selected = selected;
    if (wanted !== lit) await this.light(selected, column);
    if (this.closed) return;
    this.list(list);
    if (begin || wanted !== lit) this.redraw(begin ? null : selected);
    else if (moved) this.view.select(selected);
    if (begin) {
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
    const answer = await api.column(id, column, { direction: "both", depth: DEEP, at: this.query.at }, { signal: this.signal });
    const missing = (answer.nodes ?? []).filter((node) => !this.model.nodes.has(node.id));
    const links = (answer.column_edges ?? []).filter(({ source, target }) => source.node !== target.node)
      .map(({ source, target }) => ({ id: `lit ${source.node} ${target.node}`, source: source.node, target: target.node }))
      .filter(({ source, target }) => !this.model.down.get(source)?.has(target));
    this.model.add({ nodes: missing, edges: links });
    this.model.light(id, column, answer.column_edges ?? []);
    say(`The path of ${column} goes through ${count(this.model.path.columns.size, "node")}`);
  }

  showPath() {
    const ids = [...this.model.path.columns.keys()].filter((id) => this.view.shown.has(id));
    const collection = this.view.cy.nodes().filter((node) => ids.includes(node.id()));
    this.view.cy.fit(collection, 48);
    if (this.view.cy.zoom() > 1) this.view.zoomTo(1);
    if (this.view.cy.zoom() < 0.46) {
      this.view.zoomTo(0.7);
      this.view.center(this.selected);
    }
  }

  redraw(keep) {
    if (!this.model.nodes.size) {
      put(this.stage, emptyState("Nothing to draw yet", ["Run ", h("code", {}, "slipway demo"), ", or take a later moment."]));
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
    if (!id) return put(this.panel, wholePanel(this.model, this.route));
    try {
      const node = await api.node(id, this.query.at, { signal: this.signal });
      if (this.closed || this.selected !== id) return;
      const up = this.model.up.get(id);
      put(this.panel, panelOf(node, {
        column, at: this.query.at, isRoot: id === this.model.root, path: this.model.path, names: (other) => this.model.nodes.get(other), up,
        chooseColumn: (name) => this.chooseColumn(id, name), begin: () => this.begin(id), close: () => this.goTo({ selected: "", column: "" }),
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
    const node = this.model.nodes.get(id);
    if (!node) return;
    this.entering = enter;
    const same = id === this.selected;
    const keepColumn = same ? now().query.column : "";
    this.goTo({ selected: id === this.model.root ? "" : node.name, column: keepColumn });
    if (enter && same) {
      this.entering = false;
      this.panel.querySelector("h1")?.focus();
    }
    if (matchMedia(NARROW).matches) this.panel.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  chooseColumn(id, column) {
    const node = this.model.nodes.get(id);
    const { at } = this.model.path ?? {};
    const off = at?.node === id && at.column === column;
    this.goTo({ selected: id === this.model.root ? "" : node.name, column: off ? "" : column });
  }

  begin(id) {
    const node = this.model.nodes.get(id);
    if (node) go(address("node", [node.name], { ...now().query, selected: "", domain: "", limit: "" }));
  }

  toggleColumns(id) {
    if (!this.model.nodes.get(id)?.columns?.length) return;
    if (!this.model.open.delete(id)) this.model.open.add(id);
    this.redrawAt(id);
  }

  redrawAt(id) {
    const focused = this.view.canvas.contains(document.activeElement);
    this.redraw(id);
    if (focused) this.view.focus(id);
  }

  async expand(id, way) {
    const node = this.model.nodes.get(id);
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
      l: () => this.goTo({ view: this.listed ? "" : "list" }), Escape: () => this.escape(),
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
    const { nodes } = this.model.visible();
    put(this.tools,
      this.model.root ? [
        h("div.segments", { role: "group", "aria-label": "Direction" }, way("upstream", "← Upstream", "What it is made from"), way("both", "Both"), way("downstream", "Downstream →", "What is made from it")),
        h("label.depth", {}, "depth ", h("select", { "aria-label": "Depth", onchange: (event) => this.goTo({ depth: Number(event.target.value) === DEPTH ? "" : event.target.value }) },
          [1, 2, 3, 4, 6, 8, DEEP].map((steps) => h("option", { value: steps, selected: steps === depth }, steps === DEEP ? "all" : steps)))),
      ] : h("strong.title", {}, query.domain ? `Domain ${query.domain}` : "The whole graph"),
      h("div.segments", { role: "group", "aria-label": "View" }, look("", "Graph"), look("list", "List")),
      h("span.soft.many", {}, count(nodes.length, "node"), this.model.truncated ? [", not all ", query.limit ? null : h("button.link", { type: "button", onclick: () => this.goTo({ limit: ALL }) }, "show all")] : null),
      this.model.path ? h("button.chip.on", { type: "button", title: "Esc", onclick: () => this.goTo({ column: "" }) }, "column ", h("code", {}, this.model.path.at.column), " ✕") : null);
  }
}

function tool(sign, title, onclick) {
  return h("button.icon", { type: "button", title, "aria-label": title, onclick }, sign);
}

function ofDomain(answer, domain) {
  const nodes = answer.nodes.filter((node) => node.domain === domain);
  const ids = new Set(nodes.map((node) => node.id));
  return { ...answer, root: null, nodes, edges: answer.edges.filter(({ source, target }) => ids.has(source) && ids.has(target)), more: {} };
}

function wholePanel(model, { query }) {
  const domains = [...new Set([...model.nodes.values()].map((node) => node.domain).filter(Boolean))].sort();
  return [
    h("h1", { tabindex: "-1" }, query.domain || "The whole graph"),
    h("p.soft", {}, "Choose a node to see its owner, columns, versions, checks and runs. A double click begins the graph there."),
    domains.length > 1 ? [h("h2", {}, "Domains"), h("p.chips", {}, domains.map((domain) => h("a.chip", { href: address("graph", [], { domain }) }, domain)))] : null,
  ];
}
