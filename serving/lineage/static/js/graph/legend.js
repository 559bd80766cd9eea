/* The legend of the graph. What belongs here: the meaning of each sign in it. */

import { circuitBreaker, health, stale } from "../badges.js";
import { h, svg } from "../dom.js";
import { kindIcon, kindOf, order } from "../kinds.js";

export function legend() {
  const line = (name, words) => h("li", {}, svg("svg", { viewBox: "0 0 34 8", width: 34, height: 8, class: `legend-line ${name}`, "aria-hidden": "true" }, svg("path", { d: "M0 4h34" })), words);
  return h("details.legend", {},
    h("summary", {}, "Legend"),
    h("ul", {},
      order.filter((kind) => kind !== "JOB").map((kind) => h("li", {}, kindIcon(kind), kindOf(kind).label)),
      h("li", {}, health("ok", { small: true }), "checks pass"),
      h("li", {}, health("warn", { small: true }), "a warning"),
      h("li", {}, health("fail", { small: true }), "a check fails"),
      h("li", {}, stale({ up_to_date: false }, { small: true }), "stale"),
      h("li", {}, circuitBreaker("OPEN", { small: true }), "blocking deliveries"),
      line("table", "table lineage"),
      line("column", "column, value"),
      line("column indirect", "column, filter or join"),
      line("column masked", "column, masked value")));
}
