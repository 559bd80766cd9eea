/* Light or dark, set before the first paint (so no module): the choice made here, or else the system's. */
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("lineage-theme");
    } catch {
      return null; // storage may be forbidden; then the system's choice applies
    }
  };
  const apply = () => {
    const now = chosen() ?? (dark.matches ? "dark" : "light");
    if (root.dataset.theme === now) return;
    root.dataset.theme = now;
    dispatchEvent(new Event("theme"));
  };
  dark.addEventListener("change", apply);
  apply();
  window.switchTheme = () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("lineage-theme", next);
    } catch {
      /* storage is forbidden: the choice lasts for this page only */
    }
    root.dataset.theme = next;
    dispatchEvent(new Event("theme"));
  };
})();
