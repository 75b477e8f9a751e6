"use strict";
// What is shown of a list: entries whose words have all words that are looked for, and
// that are what has been chosen.
const F = { ask: document.getElementById("q"), chosen: [...document.querySelectorAll(".filter select")] };
F.fits = e => {
  const words = e.dataset.text, asked = F.ask.value.toLowerCase().split(/\s+/).filter(Boolean);
  return asked.every(w => words.includes(w)) && F.chosen.every(s => !s.value || e.dataset[s.name] === s.value);
};
F.show = (entries, one, many) => {
  let n = 0;
  for (const e of entries) {
    e.hidden = !F.fits(e);
    if (!e.hidden) n++;
  }
  document.getElementById("shown").textContent = n === entries.length ? "" : n + " of " + entries.length + " " + (entries.length === 1 ? one : many);
};
F.watch = show => {
  for (const e of [F.ask, ...F.chosen]) e.addEventListener("input", show);
  document.getElementById("filter").hidden = false;
  show();
};
