/* The part of the graph that is loaded, and what of it is visible: expanded, collapsed, a column's path.
   What belongs here: nodes and edges. Not: coordinates (layout.js), drawing (view.js, cards.js). */

import { bundled } from "./bundle.js";

const ENDS = { up: ["target", "source"], down: ["source", "target"] };

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
    this.apart = new Set(); // ids of files that are shown one by one
    this.path = null; // of the selected column: {at, columns: Map id -> Set, whole: Set of ids, edges}
    this.add(answer);
  }

  add({ nodes = [], edges = [], more = {} }) {
    this.countLoaded(edges, new Set(this.nodes.keys()));
    for (const node of nodes) this.nodes.set(node.id, { ...this.nodes.get(node.id), ...node });
    for (const edge of edges) this.edges.set(edge.id ?? `${edge.source} ${edge.target}`, edge);
    for (const [id, left] of Object.entries(more)) this.more[id] = left;
    this.index();
  }

  /* Subtracts nodes that are now loaded from the counts of hidden ones. */
  countLoaded(edges, known) {
    for (const { source, target } of edges) {
      if (known.has(source) && !known.has(target) && this.more[source]) this.more[source].down = Math.max(0, this.more[source].down - 1);
      if (known.has(target) && !known.has(source) && this.more[target]) this.more[target].up = Math.max(0, this.more[target].up - 1);
    }
  }

  /* Adds the answer of a node's expansion, or of a column's path (side: null), relative to the node's coordinates. */
  expand(id, side, answer) {
    const here = this.nodes.get(id);
    const there = answer.nodes.find((node) => node.id === id);
    const moved = answer.nodes.map((node) => this.nodes.get(node.id) ?? {
      ...node,
      layer: (here?.layer ?? 0) + (node.layer ?? 0) - (there?.layer ?? 0),
      y: (here?.y ?? 0) + (node.y ?? 0) - (there?.y ?? 0),
    });
    this.collapsed.delete(`${side} ${id}`);
    const before = this.nodes.size;
    this.add({ ...answer, nodes: moved, more: this.rest(answer) });
    if (side) this.expanded.add(`${side} ${id}`);
    if (side && this.more[id]) this.more[id][side] = 0;
    return this.nodes.size - before;
  }

  /* The counts of hidden nodes that an answer has for new nodes; for loaded ones it does not know what is loaded. */
  rest(answer) {
    return Object.fromEntries(Object.entries(answer.more ?? {}).filter(([id]) => !this.nodes.has(id)));
  }

  index() {
    this.up = new Map();
    this.down = new Map();
    const add = (map, from, to) => map.set(from, (map.get(from) ?? new Set()).add(to));
    for (const { source, target } of this.edges.values()) {
      if (source === target || !this.nodes.has(source) || !this.nodes.has(target)) continue;
      add(this.down, source, target);
      add(this.up, target, source);
    }
  }

  /* The distances of all nodes on one side of a node, without those behind a collapsed one. */
  distances(id, side, stop = () => false) {
    const distance = new Map([[id, 0]]);
    const queue = [id];
    for (const at of queue) {
      if (stop(at, side)) continue;
      for (const other of this.next(at, side)) {
        if (distance.has(other)) continue;
        distance.set(other, distance.get(at) + 1);
        queue.push(other);
      }
    }
    distance.delete(id);
    return distance;
  }

  isCollapsed(id, side) {
    return this.collapsed.has(`${side} ${id}`);
  }

  toggle(id, side) {
    const key = `${side} ${id}`;
    if (!this.collapsed.delete(key)) this.collapsed.add(key);
  }

  /* The number of neighbors on one side that are hidden: not loaded, or collapsed. */
  hidden(id, side) {
    const left = this.more[id]?.[side] ?? 0;
    if (!this.isCollapsed(id, side)) return left;
    return left + [...this.next(id, side)].length;
  }

  next(id, side) {
    return (side === "up" ? this.up : this.down).get(id) ?? [];
  }

  /* The ids that no collapsed side hides: what can be reached from the root upstream or downstream without crossing one,
     and what was expanded. */
  visibleIds() {
    if (!this.collapsed.size) return new Set(this.nodes.keys());
    const stop = (id, side) => this.isCollapsed(id, side);
    const seen = new Set([this.root, ...this.distances(this.root, "up", stop).keys(), ...this.distances(this.root, "down", stop).keys()]);
    for (let before = -1; before !== seen.size; ) {
      before = seen.size;
      for (const key of this.expanded) {
        const [side, id] = key.split(" ");
        if (seen.has(id) && !this.isCollapsed(id, side)) for (const other of this.next(id, side)) seen.add(other);
      }
    }
    for (const id of this.path?.columns.keys() ?? []) seen.add(id);
    return seen;
  }

  /* The visible nodes and edges, many files as one stack; the selected node is never in a stack. */
  visible(selected = null) {
    const seen = this.visibleIds();
    return bundled({
      nodes: [...seen].map((id) => this.nodes.get(id)).filter(Boolean),
      edges: [...this.edges.values()].filter(({ source, target }) => source !== target && seen.has(source) && seen.has(target)),
      path: this.path,
      apart: new Set([...this.apart, this.root, selected, this.path?.at.node]),
    });
  }

  /* Sets the path of a column, upstream and downstream, from column edges. `all`: the nodes on it; nodes without column
     lineage (a delivered file) are on it as a whole. */
  setPath(id, column, edges, all = []) {
    const key = (end) => `${end.node}\n${end.column}`;
    const lit = new Set();
    const columns = new Map([[id, new Set([column])]]);
    for (const [from, to] of Object.values(ENDS)) {
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
          if (other.column) names.add(other.column); // none: the whole node, whose rows the source filters or groups
          columns.set(other.node, names);
          queue.push(other);
        }
      }
    }
    const whole = new Set(all.filter((node) => !columns.has(node)));
    for (const node of whole) columns.set(node, new Set());
    this.path = { at: { node: id, column }, columns, whole, edges: [...lit] };
  }

  clearPath() {
    this.path = null;
  }

  /* The columns that a card shows: those of the path, and all if it is open. */
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
