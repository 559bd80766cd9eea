/* Many delivered files of one table are shown as one stack, until it is expanded.
   What belongs here: which nodes are stacked, and the path of a column through stacks. */

const FEW = 3; // files that are not stacked

/* apart: ids that are never stacked. Returns nodes, edges and path with stacks, and the neighbors of each node. */
export function bundled({ nodes, edges, path, apart }) {
  const stacks = stacked(nodes, edges, apart);
  const alias = new Map(stacks.flatMap((stack) => stack.members.map((member) => [member.id, stack.id])));
  const as = (id) => alias.get(id) ?? id;
  const pairs = new Map();
  for (const edge of edges) {
    const [source, target] = [as(edge.source), as(edge.target)];
    pairs.set(`${source} ${target}`, { id: `${source} ${target}`, source, target });
  }
  const seen = [...nodes.filter((node) => !alias.has(node.id)), ...stacks];
  return {
    nodes: new Map(seen.map((node) => [node.id, node])),
    edges: [...pairs.values()],
    path: path && pathThrough(path, as),
    ...neighbors(pairs.values()),
  };
}

function stacked(nodes, edges, apart) {
  const { up, down } = neighbors(edges);
  const groups = new Map();
  for (const node of nodes) {
    if (node.kind !== "FILE" || apart.has(node.id)) continue;
    const key = [up, down].map((side) => [...(side.get(node.id) ?? [])].sort().join(" ")).join("|");
    if (key === "|") continue;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(node);
  }
  return [...groups.values()].filter((members) => members.length > FEW).map(stack);
}

function stack(members) {
  const newest = [...members].sort((a, b) => b.name.localeCompare(a.name));
  const worst = ["fail", "warn", "ok"].find((health) => members.some((node) => node.health === health));
  return {
    ...newest[0],
    id: `stack ${newest[0].id}`,
    name: `${members.length} files`,
    health: worst ?? "unknown",
    updated: members.map((node) => node.updated).filter(Boolean).sort().at(-1) ?? null,
    y: members.reduce((sum, node) => sum + (node.y ?? 0), 0) / members.length,
    members: newest,
  };
}

function neighbors(edges) {
  const [up, down] = [new Map(), new Map()];
  const add = (map, from, to) => {
    if (!map.has(from)) map.set(from, new Set());
    map.get(from).add(to);
  };
  for (const { source, target } of edges) {
    add(down, source, target);
    add(up, target, source);
  }
  return { up, down };
}

function pathThrough(path, as) {
  const columns = new Map();
  for (const [id, names] of path.columns) columns.set(as(id), new Set([...(columns.get(as(id)) ?? []), ...names]));
  const edges = new Map();
  for (const edge of path.edges) {
    const [source, target] = [{ ...edge.source, node: as(edge.source.node) }, { ...edge.target, node: as(edge.target.node) }];
    edges.set(JSON.stringify([source, target, edge.type]), { ...edge, source, target });
  }
  return { ...path, columns, whole: new Set([...path.whole].map(as)), edges: [...edges.values()] };
}
