/* Formatting of values as texts. Times are shown in UTC. What belongs here: formatting. */

const ELLIPSIS = "…";

export function when(iso) {
  if (!iso) return "never";
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return String(iso);
  const [day, clock] = time.toISOString().split("T");
  return `${day} ${clock.slice(0, 5)}`;
}

export function whenExactly(iso) {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? String(iso) : `${time.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

const STEPS = [[60, "s"], [60, "min"], [24, "h"], [30, "d"], [12, "months"], [Infinity, "years"]];

export function ago(iso, now = Date.now()) {
  if (!iso) return "never";
  let span = (now - new Date(iso).getTime()) / 1000;
  if (Number.isNaN(span)) return String(iso);
  const future = span < -1;
  span = Math.abs(span);
  if (span < 10) return "just now";
  for (const [size, word] of STEPS) {
    if (span < size) {
      const number = Math.floor(span);
      const unit = number === 1 ? word.replace(/(month|year)s/, "$1") : word;
      return future ? `in ${number} ${unit}` : `${number} ${unit} ago`;
    }
    span /= size;
  }
  return when(iso);
}

/* A short form of ago(), for a card. */
export const age = (iso) => ago(iso).replace(" ago", "").replace(/ (min|[hds])$/, (_, unit) => unit[0]).replace("just now", "now");

/* The end of a column's name, which differs between the columns of a feature set. */
export const tail = (name, most = 20) => (name.length > most ? `${ELLIPSIS}${name.slice(1 - most)}` : name);

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
}

export const number = (value) => (typeof value === "number" ? value.toLocaleString("en-US") : value ?? "");
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;
export const shorten = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}${ELLIPSIS}` : words);
/* The beginning of a hash or a run id; other texts are not shortened. */
export const shortId = (id) => (/^[0-9a-f-]{13,}$/i.test(id ?? "") ? id.slice(0, 8) : id ?? "");

/* The end of a snapshot id of up to 19 digits; a version number is shown whole. */
export const version = (id) => (id && id.length > 10 ? `${ELLIPSIS}${id.slice(-6)}` : id ?? "");

/* fraud.customer_spend -> ["fraud", "customer_spend"] */
export function named(name) {
  const at = name.indexOf(".");
  return at > 0 && at < name.length - 1 ? [name.slice(0, at), name.slice(at + 1)] : ["", name];
}

/* The label of a node; of a file the end of its name without suffix, which differs between days. */
export function label(name, kind, most = 14) {
  const rest = named(name)[1];
  if (kind !== "FILE") return rest;
  const file = rest.slice(rest.lastIndexOf("/") + 1).replace(/\.\w{1,8}$/, "");
  return file.length > most ? `${ELLIPSIS}${file.slice(1 - most)}` : file;
}

export function value(thing) {
  if (thing === null || thing === undefined) return "";
  return typeof thing === "object" ? JSON.stringify(thing) : String(thing);
}
