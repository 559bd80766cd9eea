/* The differences between two runs: inputs, code, contracts, schemas, parameters, outputs. What belongs here: that page. */

import * as api from "./api.js";
import { runState } from "./badges.js";
import { copyable, h, put, table } from "./dom.js";
import { count, shortId, value, when } from "./format.js";
import { nodeLink } from "./kinds.js";
import { go, toDiff, toRun } from "./routes.js";

const OTHERS = 50;

export async function show(route, { content, signal }) {
  const [a, b] = route.parts;
  if (!a || !b) throw new api.ApiError({ what: "Two runs are needed for a comparison.", where: location.hash, fix: "Choose two on the page of runs." });
  const [found, first, second] = await Promise.all([api.diff(a, b, { signal }), api.run(a, { signal }), api.run(b, { signal })]);
  const { runs } = await api.runs({ job: second.job, limit: OTHERS }, { signal });
  const parts = [["Inputs", found.inputs], ["Contracts", found.contracts], ["Schemas", found.schemas], ["Parameters", found.parameters], ["Outputs", found.outputs]];
  const code = [found.code, found.definition].filter((one) => one && (one.a || one.b));
  const rows = [["Code", code], ...parts].map(([title, all]) => [title, all ?? []]);
  const changed = rows.flatMap(([, all]) => all).filter((one) => one.changed).length;
  const place = h("div");
  const draw = (only) => put(place, rows.map(([title, all]) => section(title, all, only)));
  draw(false);
  put(content, h("div.page", {},
    h("h1", {}, "Differences between two runs"),
    h("div.two", {}, side("first", first, runs, (id) => go(toDiff(id, b))), h("button.icon", { type: "button", title: "Swap", "aria-label": "Swap the two", onclick: () => go(toDiff(b, a)) }, "⇄"), side("second", second, runs, (id) => go(toDiff(a, id)))),
    h("p.summary", { role: "status" }, changed ? h("strong", {}, `${count(changed, "difference")}`) : "No differences in inputs, code, contracts, schemas, parameters and outputs.", summary(rows)),
    h("label.check", {}, h("input", { type: "checkbox", onchange: (event) => draw(event.target.checked) }), " differences only"),
    place,
    h("section", {}, h("h2", {}, "Copy"), copyable(`slipway lineage diff ${a} ${b}`, "the command"))));
  return { title: `${second.job}: ${shortId(a)} and ${shortId(b)}` };
}

function summary(rows) {
  const words = rows.map(([title, all]) => [title.toLowerCase(), all.filter((one) => one.changed).length]).filter(([, many]) => many);
  return words.length ? `: ${words.map(([title, many]) => (title === "code" ? "code" : `${many} ${many === 1 ? title.slice(0, -1) : title}`)).join(", ")}` : "";
}

function side(word, run, runs, pick) {
  const all = runs.some((one) => one.id === run.id) ? runs : [run, ...runs];
  const id = `run-${word}`;
  return h("div.card.side", {},
    h("label", { for: id }, `${word} run`),
    h("select", { id, onchange: (event) => pick(event.target.value) }, all.map((one) => h("option", { value: one.id, selected: one.id === run.id }, `${when(one.started)} ${String(one.state).toLowerCase()} ${shortId(one.id)}`))),
    h("p", {}, runState(run.state), " ", h("a", { href: toRun(run.id) }, run.job), h("span.soft", {}, ` ${when(run.started)} UTC`)));
}

function section(title, all, only) {
  const rows = all.filter((one) => one.changed || !only).sort((x, y) => Number(Boolean(y.changed)) - Number(Boolean(x.changed)));
  if (!rows.length) return null;
  const cell = (one) => (one === null || one === undefined ? h("span.soft", {}, "absent") : h("code", { title: value(one) }, value(one)));
  return h("section", {}, h("h2", {}, title, h("span.count", {}, rows.filter((one) => one.changed).length)),
    table(title, ["", "name", "first run", "second run"], rows.map((one) => h("tr", { class: one.changed ? "changed" : "same" },
      h("td", {}, one.changed ? h("span.sign.warn", { role: "img", "aria-label": "changed", title: "changed" }, "≠") : h("span.sign.soft", { role: "img", "aria-label": "the same", title: "the same" }, "=")),
      h("th", { scope: "row" }, ["Inputs", "Outputs", "Contracts", "Schemas"].includes(title) ? nodeLink(one) : one.name),
      h("td.value", {}, cell(one.a)), h("td.value", {}, one.changed ? cell(one.b) : h("span.soft", {}, "the same")))), { class: "dense diff" }));
}
