/* What part of the graph is loaded, and what of it is to be seen: expanded, collapsed, a column's path.
   What belongs here: nodes and edges without any drawing. Not: places (layout.js), pictures (view.js, cards.js). */

import { bundled } from "./bundle.js";

const WAYS = { up: ["target", "source"], down: ["source", "target"] };

export class Model {
  constructor(answer) {
    this.root = answer.root ?? null;
    this.nodes = new Map();
    this.edges = new Map();
    this.more = {};
    this.truncated = Boolean(answer.truncated);
    this.collapsed = new Set(); // "up <id>"
    this.expanded = new Set(); // "down <id>"
    this.open = new Set(); // ids whose columns are shown
    this.apart = new Set(); // ids of files that are shown each
    this.path = null; // of the selected column: {at, columns: Map id -> Set, edges}
    this.add(answer);
  }

  add({ nodes = [], edges = [], more = {} }) {
    this.found(edges, new Set(this.nodes.keys()));
    for (const node of nodes) this.nodes.set(node.id, { ...this.nodes.get(node.id), ...node });
    for (const edge of edges) this.edges.set(edge.id ?? `${edge.source} ${edge.target}`, edge);
    for (const [id, left] of Object.entries(more)) this.more[id] = left;
    this.index();
  }

  /* What was counted as hidden and is seen from now on. */
  found(edges, known) {
    for (const { source, target } of edges) {
      if (known.has(source) && !known.has(target) && this.more[source]) this.more[source].down = Math.max(0, this.more[source].down - 1);
      if (known.has(target) && !known.has(source) && this.more[target]) this.more[target].up = Math.max(0, this.more[target].up - 1);
    }
  }

  /* What a node's expansion, or a column's path (way: null), brought: placed beside the node as the answer has it. */
  expand(id, way, answer) {
    const here = this.nodes.get(id);
    const there = answer.nodes.find((node) => node.id === id);
    const moved = answer.nodes.map((node) => this.nodes.get(node.id) ?? {
      ...node,
      layer: (here?.layer ?? 0) + (node.layer ?? 0) - (there?.layer ?? 0),
      y: (here?.y ?? 0) + (node.y ?? 0) - (there?.y ?? 0),
    });
    this.collapsed.delete(`${way} ${id}`);
    const before = this.nodes.size;
    this.add({ ...answer, nodes: moved, more: this.rest(answer) });
    if (way) this.expanded.add(`${way} ${id}`);
    if (way && this.more[id]) this.more[id][way] = 0;
    return this.nodes.size - before;
  }

  /* An answer about part of the graph does not know what is loaded already, so only news about new nodes counts. */
  rest(answer) {
    return Object.fromEntries(Object.entries(answer.more ?? {}).filter(([id]) => !this.nodes.has(id)));
  }

  index() {
    this.up = new Map();
    this.down = new Map();
    const note = (map, from, to) => map.set(from, (map.get(from) ?? new Set()).add(to));
    for (const { source, target } of this.edges.values()) {
      if (source === target || !this.nodes.has(source) || !this.nodes.has(target)) continue;
      note(this.down, source, target);
      note(this.up, target, source);
    }
  }

  /* The nodes on one side of a node, nearest first, without those behind a collapsed one. */
  side(id, way, stop = () => false) {
    const distance = new Map([[id, 0]]);
    const queue = [id];
    for (const at of queue) {
      if (stop(at, way)) continue;
      for (const other of this.next(at, way)) {
        if (distance.has(other)) continue;
        distance.set(other, distance.get(at) + 1);
        queue.push(other);
      }
    }
    distance.delete(id);
    return distance;
  }

  isCollapsed(id, way) {
    return this.collapsed.has(`${way} ${id}`);
  }

  toggle(id, way) {
    const key = `${way} ${id}`;
    if (!this.collapsed.delete(key)) this.collapsed.add(key);
  }

  /* How many nodes of one side are not seen: not loaded, or collapsed. */
  hidden(id, way) {
    const left = this.more[id]?.[way] ?? 0;
    if (!this.isCollapsed(id, way)) return left;
    return left + [...this.next(id, way)].length;
  }

  next(id, way) {
    return (way === "up" ? this.up : this.down).get(id) ?? [];
  }

  /* Collapsed, a side of a node shows none of what is reached only by way of it: from where the graph begins, upwards or
     downwards without turning, and by what was expanded since. */
  seen() {
    if (!this.collapsed.size) return new Set(this.nodes.keys());
    const stop = (id, way) => this.isCollapsed(id, way);
    const seen = new Set([this.root, ...this.side(this.root, "up", stop).keys(), ...this.side(this.root, "down", stop).keys()]);
    for (let before = -1; before !== seen.size; ) {
      before = seen.size;
      for (const key of this.expanded) {
        const [way, id] = key.split(" ");
        if (seen.has(id) && !this.isCollapsed(id, way)) for (const other of this.next(id, way)) seen.add(other);
      }
    }
    for (const id of this.path?.columns.keys() ?? []) seen.add(id);
    return seen;
  }

  /* What is to be seen, with many files as one stack; the selected node is never in a stack. */
  visible(selected = null) {
    const seen = this.seen();
    return bundled({
      nodes: [...seen].map((id) => this.nodes.get(id)).filter(Boolean),
      edges: [...this.edges.values()].filter(({ source, target }) => source !== target && seen.has(source) && seen.has(target)),
      path: this.path,
      apart: new Set([...this.apart, this.root, selected, this.path?.at.node]),
    });
  }

  /* A column's way up and down, out of column edges that may hold more than that. `all`: the nodes on it; those of which
     no column is told (a delivered file) are on it as a whole. */
  light(id, column, edges, all = []) {
    const key = (end) => `${end.node}\n${end.column}`;
    const lit = new Set();
    const columns = new Map([[id, new Set([column])]]);
    for (const [from, to] of Object.values(WAYS)) {
      const by = new Map();
      for (const edge of edges) by.set(key(edge[from]), [...(by.get(key(edge[from])) ?? []), edge]);
      const queue = [{ node: id, column }];
      const seen = new Set([key(queue[0])]);
      for (const at of queue) {
        for (const edge of by.get(key(at)) ?? []) {
          lit.add(edge);
          const other = edge[to];
          if (seen.has(key(other))) continue;
          seen.add(key(other));
          const names = columns.get(other.node) ?? new Set();
          if (other.column) names.add(other.column); // none: the whole node, its rows chosen or grouped by the source
          columns.set(other.node, names);
          queue.push(other);
        }
      }
    }
    const whole = new Set(all.filter((node) => !columns.has(node)));
    for (const node of whole) columns.set(node, new Set());
    this.path = { at: { node: id, column }, columns, whole, edges: [...lit] };
  }

  unlight() {
    this.path = null;
  }

  /* The columns that a node shows as rows: those of the path, and all when it is open. */
  rows(node, path) {
    const lit = path?.columns.get(node.id) ?? new Set();
    const known = node.columns ?? [];
    if (!this.open.has(node.id)) {
      const typed = new Map(known.map((column) => [column.name, column.type]));
      return [...lit].map((name) => ({ name, type: typed.get(name), lit: true }));
    }
    const names = new Set(known.map((column) => column.name));
    return [
      ...known.map((column) => ({ ...column, lit: lit.has(column.name) })),
      ...[...lit].filter((name) => !names.has(name)).map((name) => ({ name, lit: true })),
    ];
  }
}
