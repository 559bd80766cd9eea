/* Keyboard navigation from card to card. What belongs here: which node a key leads to. */

/* The action of a key at a node, or undefined. does: {focus, expand, begin, open, enter} */
export function actionOf(key, { id, root, visible, places }, does) {
  const step = (side) => () => does.focus(alongEdge(id, visible[side].get(id), places));
  const beside = (by) => () => does.focus(besideOf(id, by, places));
  return {
    ArrowLeft: step("up"), ArrowRight: step("down"), ArrowUp: beside(-1), ArrowDown: beside(1),
    Home: () => does.focus(root ?? id), u: () => does.expand(id, "up"), d: () => does.expand(id, "down"), g: () => does.begin(id),
    " ": () => does.open(id), Enter: () => does.enter(id),
  }[key];
}

/* The neighbor whose height is nearest. */
function alongEdge(id, neighbors, places) {
  const { x, y } = places.get(id);
  const away = (other) => Math.abs(places.get(other).y - y) + Math.abs(places.get(other).x - x) / 3;
  return nearest([...(neighbors ?? [])], away);
}

/* The next node above or below, preferably in the same layer. */
function besideOf(id, by, places) {
  const { x, y } = places.get(id);
  const away = (other) => Math.abs(places.get(other).y - y) + 10 * Math.abs(places.get(other).x - x);
  return nearest([...places.keys()].filter((other) => (places.get(other).y - y) * by > 1), away);
}

const nearest = (ids, away) => ids.sort((a, b) => away(a) - away(b))[0];
