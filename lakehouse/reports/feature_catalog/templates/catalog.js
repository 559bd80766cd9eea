// The catalog's search, keys and copying. Without it every page can still be read.
"use strict";

const words = document.getElementById("words");
const choices = ["entity", "source", "owner"].map((name) => document.getElementById(name));

if (words) {
  const features = JSON.parse(document.getElementById("catalog").textContent);
  const links = new Map([...document.querySelectorAll("a[data-feature]")].map((link) => [link.dataset.feature, link]));
  const count = document.getElementById("count");
  const everything = count.textContent;

  const visible = () => [...links.values()].filter((link) => !link.parentElement.hidden);

  const search = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = choices.map((choice) => [choice.id, choice.value]).filter(([, value]) => value);
    let found = 0;
    for (const feature of features) {
      const fits =
        wanted.every((word) => feature.text.includes(word)) &&
        chosen.every(([kind, value]) => [].concat(feature[kind]).includes(value));
      links.get(feature.name).parentElement.hidden = !fits;
      found += fits ? 1 : 0;
    }
    for (const set of document.querySelectorAll(".set")) {
      set.hidden = !set.querySelector("li:not([hidden])");
    }
    const all = !wanted.length && !chosen.length;
    count.textContent = all ? everything : `${found} of ${features.length} features`;
    document.getElementById("nothing").hidden = found > 0;
    const kept = new URLSearchParams(chosen);
    if (words.value) kept.set("words", words.value);
    history.replaceState(null, "", `#${kept}`);
  };

  // What was searched for is kept in the address, so that going back finds it again and a link can be sent.
  const restore = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    words.value = kept.get("words") ?? "";
    for (const choice of choices) choice.value = kept.get(choice.id) ?? "";
    search();
  };

  document.getElementById("search").addEventListener("submit", (event) => {
    event.preventDefault();
    visible()[0]?.click();
  });
  words.addEventListener("input", search);
  for (const choice of choices) choice.addEventListener("change", search);
  window.addEventListener("hashchange", restore);
  window.addEventListener("pageshow", restore);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const choosing = event.target instanceof HTMLSelectElement; // where arrows go through the choices
    const step = choosing ? 0 : { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const there = visible();
      const next = there.indexOf(document.activeElement) + step;
      event.preventDefault();
      (next < 0 ? words : there[Math.min(next, there.length - 1)])?.focus();
    } else if (event.key === "Escape") {
      words.value = "";
      for (const choice of choices) choice.value = "";
      search();
      words.focus();
    } else if (event.key === "/" && event.target !== words) {
      event.preventDefault();
      words.select();
    }
  });
} else {
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      document.getElementById("back").click();
    }
  });
}

// Where the lineage is wider than the page, the set itself is what is seen first.
const here = document.querySelector(".lineage .here")?.getBoundingClientRect();
if (here) document.querySelector(".scroll").scrollLeft = here.left + here.width / 2 - innerWidth / 2;

for (const button of document.querySelectorAll(".copier")) {
  const code = button.closest("figure").querySelector("code");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    } catch {
      getSelection().selectAllChildren(code); // where a page may not write to the clipboard, a person can
    }
  });
}
