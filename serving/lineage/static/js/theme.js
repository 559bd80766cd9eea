/* Light or dark, set before the first paint (so no module): what the person chose here, else what their system says. */
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("lineage-theme");
    } catch {
      return null; // storage may be forbidden; the system's choice is good then
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
      /* it lasts for this page only */
    }
    root.dataset.theme = next;
    dispatchEvent(new Event("theme"));
  };
})();
