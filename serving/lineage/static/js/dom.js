/* DOM helpers. Texts become text nodes and attributes, never markup, so nothing that a server sends is executed.
   What belongs here: elements without meaning, the document's title. Not: badges, links to nodes (badges.js, kinds.js). */

const SVG = "http://www.w3.org/2000/svg";
const SAFE = /^(https?:)?\/\/[^/]/i;

/* h("button.small", {type: "button", onclick: f, class: "on"}, "words", other) ; false and null children are left out. */
export function h(spec, attributes = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  return fill(document.createElement(tag || "div"), classes, attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), [], attributes, children);
}

function fill(element, classes, attributes, children) {
  if (classes.length) element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.classList.add(...value.split(" ").filter(Boolean));
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

export function add(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export function put(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

/* An external link; what is not a web address is shown as text, so that no javascript: can be clicked. */
export function externalLink(text, url) {
  if (typeof url !== "string" || !SAFE.test(url)) return h("span", {}, text, url ? ` (${url})` : "");
  return h("a.out", { href: url, target: "_blank", rel: "noopener noreferrer" }, text);
}

/* Announces a text to screen readers. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

export function setTitle(title) {
  document.title = title ? `${title} · Lineage` : "Lineage";
}

/* A value beside a button that copies it. */
export function copyable(value, label, { code = true } = {}) {
  const button = h("button.copier", { type: "button", "aria-label": `Copy ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(value);
      button.textContent = "Copied";
      announce(`Copied ${label}`);
    } catch {
      button.textContent = "Selected";
      getSelection().selectAllChildren(shown);
    }
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
  const shown = h(code ? "code" : "span", {}, value);
  return h("div.copyable", {}, shown, button);
}

export function facts(pairs) {
  return h(
    "dl.facts",
    {},
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
      .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

export function table(caption, heads, rows, attributes = {}) {
  return h(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      attributes,
      h("caption.unseen", {}, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows),
    ),
  );
}
