// Levels of time: each is decoded when it is first looked at.
R.level = index => {
  const l = R.run.levels[index];
  if (l.x) return l;
  l.x = Array.from({ length: l.bins }, (_, i) => l.first + (i + 0.5) * l.width);
  for (const g of ["reads", "writes"]) {
    if (!l[g]) continue;
    for (const c of ["ok", "failed", "unknown", "p50", "p99", "max"]) l[g][c] = R.column(l[g][c], l.bins);
    l[g].heat = R.heat(l[g].heat, l.bins);
  }
  for (const k of ["seen", "told", "stale"]) for (const one of l[k] || []) one.max = R.column(one.max, l.bins);
  return l;
};

// The coarsest level that still shows something for every few pixels.
R.levelFor = (from, to, pixels) => {
  for (let i = 0; i < R.run.levels.length; i++) {
    if ((to - from) / R.run.levels[i].width >= pixels / 6) return i;
  }
  return R.run.levels.length - 1;
};

R.whole = { from: R.run.begin, to: R.run.end };
R.range = { from: R.whole.from, to: R.whole.to };

// The least that can be zoomed to: some bins of the finest level.
R.least = () => R.run.levels[R.run.levels.length - 1].width * 8;

R.zoom = (from, to, silent) => {
  const least = Math.min(R.least(), R.whole.to - R.whole.from);
  if (!(to - from >= least)) { const mid = (from + to) / 2; from = mid - least / 2; to = mid + least / 2; }
  if (to - from > R.whole.to - R.whole.from) { from = R.whole.from; to = R.whole.to; }
  if (from < R.whole.from) { to += R.whole.from - from; from = R.whole.from; }
  if (to > R.whole.to) { from -= to - R.whole.to; to = R.whole.to; }
  R.range = { from, to };
  const all = from <= R.whole.from && to >= R.whole.to;
  document.getElementById("range").textContent = all ? "all of " + R.seconds(to) : R.seconds(from) + " to " + R.seconds(to);
  R.charts.forEach(c => c.show());
  if (!silent) history.replaceState(null, "", all ? location.pathname + location.search : "#t=" + +from.toFixed(4) + "," + +to.toFixed(4));
};

R.scaled = factor => {
  const mid = (R.range.from + R.range.to) / 2, half = (R.range.to - R.range.from) / 2 * factor;
  R.zoom(mid - half, mid + half);
};
R.moved = share => {
  const by = (R.range.to - R.range.from) * share;
  R.zoom(R.range.from + by, R.range.to + by);
};
