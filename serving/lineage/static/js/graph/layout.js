/* Coordinates of nodes and edges, in layers from left to right. The server gives layer and order (x, y); a graph small
   enough to be read is spaced here by the height of its cards, with lanes for edges that span several layers.
   What belongs here: coordinates. Not: drawing. Why no layout library: docs/adr. */

export const WIDTH = 196;
export const HEAD = 58;
export const ROW = 22;
export const FOOT = 6;
const ACROSS = 48; // between layers
const BETWEEN = 20; // between cards of a layer
const LANE = 12;
const SWEEPS = 8;

export const heightOf = (rows) => HEAD + (rows ? rows * ROW + FOOT : 0);

/* The server's coordinates, scaled up where cards would overlap. */
export function asGiven(nodes) {
  const places = new Map();
  const byX = new Map();
  for (const node of nodes) byX.set(node.x, [...(byX.get(node.x) ?? []), node.y]);
  const xs = [...byX.keys()].sort((a, b) => a - b);
  const gapX = smallest(xs);
  const gapY = Math.min(...[...byX.values()].map((ys) => smallest(ys.sort((a, b) => a - b))));
  const scaleX = Math.max(1, (WIDTH + ACROSS) / gapX || 1);
  const scaleY = Math.max(1, (HEAD + BETWEEN) / gapY || 1);
  for (const node of nodes) places.set(node.id, { x: node.x * scaleX, y: node.y * scaleY });
  return { places, routes: new Map() };
}

function smallest(sorted) {
  let least = Infinity;
  for (let at = 1; at < sorted.length; at += 1) {
    const gap = sorted[at] - sorted[at - 1];
    if (gap > 0.5 && gap < least) least = gap;
  }
  return least;
}

/* nodes: {id, layer, y}; edges: {id, source, target}; tall: id -> height. Returns the centers of nodes, and the points
   between its ends that each edge bends at. */
export function arrange(nodes, edges, tall) {
  const layers = layered(nodes, edges);
  const columns = [];
  const items = new Map();
  for (const node of nodes) {
    const item = { id: node.id, layer: layers.get(node.id), want: node.y ?? 0, y: node.y ?? 0, height: tall(node.id), near: [[], []] };
    items.set(node.id, item);
    (columns[item.layer] ??= []).push(item);
  }
  const chains = new Map();
  for (const edge of edges) {
    const [from, to] = [items.get(edge.source), items.get(edge.target)];
    const chain = [from];
    for (let layer = from.layer + 1; layer < to.layer; layer += 1) {
      const share = (layer - from.layer) / (to.layer - from.layer);
      const y = from.y + (to.y - from.y) * share;
      const lane = { layer, want: y, y, height: LANE, lane: true, near: [[], []] };
      columns[layer].push(lane);
      chain.push(lane);
    }
    chain.push(to);
    for (let at = 1; at < chain.length; at += 1) {
      if (chain[at].layer <= chain[at - 1].layer) continue; // closes a cycle
      chain[at].near[0].push(chain[at - 1]);
      chain[at - 1].near[1].push(chain[at]);
    }
    chains.set(edge.id, chain);
  }
  sort(columns);
  settle(columns);
  const x = (layer) => layer * (WIDTH + ACROSS);
  return {
    places: new Map([...items].map(([id, item]) => [id, { x: x(item.layer), y: item.y }])),
    routes: new Map([...chains].map(([id, chain]) => [id, chain.slice(1, -1).map((lane) => [x(lane.layer), lane.y])])),
  };
}

/* Layers such that every edge runs to the right, apart from those that close a cycle; no layer is empty. */
function layered(nodes, edges) {
  const layers = new Map(nodes.map((node) => [node.id, Math.round(node.layer ?? 0)]));
  const back = closing(nodes, edges);
  const forward = edges.filter((edge) => !back.has(edge));
  for (let pass = 0; pass < nodes.length; pass += 1) {
    let moved = false;
    for (const { source, target } of forward) {
      if (layers.get(target) > layers.get(source)) continue;
      layers.set(target, layers.get(source) + 1);
      moved = true;
    }
    if (!moved) break;
  }
  const used = [...new Set(layers.values())].sort((a, b) => a - b);
  const dense = new Map(used.map((layer, at) => [layer, at]));
  for (const [id, layer] of layers) layers.set(id, dense.get(layer));
  return layers;
}

function closing(nodes, edges) {
  const out = new Map();
  for (const edge of edges) out.set(edge.source, [...(out.get(edge.source) ?? []), edge]);
  const state = new Map(); // 1: on the path, 2: done
  const back = new Set();
  for (const { id } of nodes) {
    if (state.has(id)) continue;
    const stack = [[id, 0]];
    state.set(id, 1);
    while (stack.length) {
      const top = stack.at(-1);
      const edge = (out.get(top[0]) ?? [])[top[1]];
      top[1] += 1;
      if (!edge) {
        state.set(top[0], 2);
        stack.pop();
      } else if (state.get(edge.target) === 1) back.add(edge);
      else if (!state.has(edge.target)) {
        state.set(edge.target, 1);
        stack.push([edge.target, 0]);
      }
    }
  }
  return back;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/* Orders each layer by the mean position of neighbors, sweeping forward and back, which leaves few crossings. */
function sort(columns) {
  const rank = (column) => column.forEach((item, at) => (item.rank = at / Math.max(1, column.length - 1 || 1)));
  for (const column of columns) {
    column.sort((a, b) => a.want - b.want);
    rank(column);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const side = sweep % 2;
    const going = side === 0 ? columns : [...columns].reverse();
    for (const column of going) {
      for (const item of column) item.pull = item.near[side].length ? mean(item.near[side].map((other) => other.rank)) : item.rank;
      column.sort((a, b) => a.pull - b.pull || a.rank - b.rank);
      rank(column);
    }
  }
}

/* Sets y: each item as near to the mean of its neighbors as the items above and below allow. */
function settle(columns) {
  for (const column of columns) {
    let y = 0;
    for (const item of column) {
      item.y = y + item.height / 2;
      y += item.height + BETWEEN;
    }
    for (const item of column) item.y -= y / 2;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const going = sweep % 2 === 0 ? columns : [...columns].reverse();
    for (const column of going) {
      for (const item of column) {
        const near = sweep < SWEEPS - 2 ? item.near[sweep % 2] : [...item.near[0], ...item.near[1]];
        item.want = near.length ? mean(near.map((other) => other.y)) : item.y;
      }
      pack(column);
    }
  }
}

/* Least squares with a minimum distance: pool adjacent violators. */
function pack(column) {
  let offset = 0;
  const pools = [];
  column.forEach((item, at) => {
    if (at) offset += (column[at - 1].height + item.height) / 2 + (item.lane && column[at - 1].lane ? LANE / 2 : BETWEEN);
    item.offset = offset;
    let pool = { sum: item.want - offset, many: 1, items: [item] };
    while (pools.length && pools.at(-1).sum / pools.at(-1).many >= pool.sum / pool.many) {
      const before = pools.pop();
      pool = { sum: before.sum + pool.sum, many: before.many + pool.many, items: [...before.items, ...pool.items] };
    }
    pools.push(pool);
  });
  for (const pool of pools) for (const item of pool.items) item.y = pool.sum / pool.many + item.offset;
}

/* An edge as Cytoscape's unbundled Bezier, from the right side of one card to the left side of the other, through its
   lanes, level at both ends. Control points are given as shares of the straight line and distances from it. */
export function curve(from, to, lanes) {
  const half = WIDTH / 2;
  const start = [from[0] + half, from[1]];
  const end = [to[0] - half, to[1]];
  const stops = [[start], ...lanes.map(([x, y]) => [[x - half, y], [x + half, y]]), [end]];
  const controls = [];
  for (let at = 1; at < stops.length; at += 1) {
    const [ax, ay] = stops[at - 1].at(-1);
    const [bx, by] = stops[at][0];
    const bend = bx > ax ? (bx - ax) * 0.42 : 60;
    controls.push([ax + bend, ay], [bx - bend, by]);
  }
  const [dx, dy] = [end[0] - start[0], end[1] - start[1]];
  const long = Math.hypot(dx, dy) || 1;
  const shares = [];
  const distances = [];
  for (const [x, y] of controls) {
    const [cx, cy] = [x - start[0], y - start[1]];
    shares.push(((cx * dx + cy * dy) / (long * long)).toFixed(4));
    distances.push(((cy * dx - cx * dy) / long).toFixed(2));
  }
  return { shares: shares.join(" "), distances: distances.join(" ") };
}
