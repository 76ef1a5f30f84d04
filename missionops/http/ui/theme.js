// Light or dark: as the system has it, or as somebody has chosen here.

import { h } from "./dom.js";

const THEMES = ["system", "light", "dark"];
const KEY = "missionops.theme";

/** Use the theme that was chosen here before. */
export function restoreTheme() {
  const theme = localStorage.getItem(KEY) ?? "system";
  document.documentElement.dataset.theme = THEMES.includes(theme) ? theme : "system";
}

/** The choice between themes. */
export function themeChoice() {
  const choice = h(
    "select",
    {
      "aria-label": "Theme",
      change: () => {
        document.documentElement.dataset.theme = choice.value;
        localStorage.setItem(KEY, choice.value);
      },
    },
    ...THEMES.map((each) => h("option", { value: each }, each)),
  );
  choice.value = document.documentElement.dataset.theme ?? "system";
  return choice;
}
