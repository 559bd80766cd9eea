/* The addresses of the pages. What belongs here: parsing and building them.
   #/  #/graph  #/search?q=  #/runs?job=  #/run/<id>  #/diff/<a>/<b>  #/impact/<name>[/<column>]
   #/node/<name>?column=&direction=&depth=&at=&selected=&view= */

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [page = "", ...rest] = path.split("/").map(plain);
  return { page, parts: rest.filter((part) => part !== ""), query: Object.fromEntries(new URLSearchParams(query)) };
}

function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a literal %; shown as it is
  }
}

export function address(page, parts = [], query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") words.set(name, value);
  }
  const path = [page, ...parts].filter((part) => part !== "").map(encodeURIComponent).join("/");
  return `#/${path}${words.size ? `?${words}` : ""}`;
}

export const toNode = (name, query) => address("node", [name], query);
export const toRun = (id) => address("run", [id]);
export const toRuns = (query) => address("runs", [], query);
export const toDiff = (a, b) => address("diff", [a, b]);
export const toImpact = (name, column) => address("impact", column ? [name, column] : [name]);
export const toSearch = (query) => address("search", [], query);

export const now = () => parse(location.hash);

export function go(hash, { replace = false } = {}) {
  if (hash === location.hash) return;
  if (replace) {
    history.replaceState(history.state, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}
