"use strict";
const R = { run: JSON.parse(document.getElementById("run-data").textContent), charts: [], gutter: 112, right: 14 };

// Texts for people.
R.color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
R.short = v => +v.toPrecision(3);
R.milliseconds = v => {
  if (v === null || v === undefined) return "–";
  if (v >= 1000) return R.short(v / 1000) + " s";
  if (v >= 1) return R.short(v) + " ms";
  return R.short(v * 1000) + " µs";
};
R.rate = v => v === null || v === undefined ? "–" : (v >= 100 ? Math.round(v).toLocaleString("en") : R.short(v)) + "/s";
R.seconds = v => v === null || v === undefined ? "–" : v.toFixed(3) + " s";
R.bytes = v => {
  if (v === null || v === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (v >= 999.5 && i < 4) { v /= 1000; i++; }
  return R.short(v) + " " + units[i];
};

// A column: equal neighbours stand once, a text is how often more.
R.column = (cells, n) => {
  const out = new Array(n);
  let i = 0, last = null;
  for (const cell of cells) {
    if (typeof cell === "string") for (let k = +cell; k > 0; k--) out[i++] = last;
    else out[i++] = last = cell;
  }
  return out;
};

// A heat map: by bins of time, rows and counts in turn.
R.heat = (flat, n) => {
  const out = new Array(n);
  for (let i = 0, bin = 0; i < flat.length;) {
    if (flat[i] < 0) { bin -= flat[i++]; continue; }
    const cells = [];
    let row = 0;
    for (let k = flat[i++]; k > 0; k--) { row += flat[i++]; cells.push(row, flat[i++]); }
    out[bin++] = cells;
  }
  return out;
};
