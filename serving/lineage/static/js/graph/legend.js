/* The legend of the drawing. What belongs here: what each sign in the graph means. */

import { breaker, health, stale } from "../badges.js";
import { h, svg } from "../dom.js";
import { kindIcon, kindOf, order } from "../kinds.js";

export function legend() {
  const line = (name, words) => h("li", {}, svg("svg", { viewBox: "0 0 34 8", width: 34, height: 8, class: `legend-line ${name}`, "aria-hidden": "true" }, svg("path", { d: "M0 4h34" })), words);
  return h("details.legend", {},
    h("summary", {}, "Legend"),
    h("ul", {},
      order.filter((kind) => !["JOB", "OTHER"].includes(kind)).map((kind) => h("li", {}, kindIcon(kind), kindOf(kind).word)),
      h("li", {}, health("ok", { small: true }), "checks pass"),
      h("li", {}, health("warn", { small: true }), "a warning"),
      h("li", {}, health("fail", { small: true }), "a check fails"),
      h("li", {}, stale({ fresh: false }, { small: true }), "stale"),
      h("li", {}, breaker("open", { small: true }), "breaker open"),
      line("table", "is made from"),
      line("column", "column, by value"),
      line("column indirect", "column, by filter, join, order"),
      line("column masked", "column, masked")));
}
