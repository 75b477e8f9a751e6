// Both runs over time, aligned at the first fault of each.
R.zero = run => R.aligned ? run.fault : run.begin;
R.columnOf = (run, name) => {
  const b = run.bins;
  if (!b || !b[name]) return null;
  if (!b.x) b.x = Array.from({ length: b.n }, (_, i) => b.first + (i + 0.5) * b.width);
  if (b[name].length !== b.n || b[name].some(v => typeof v === "string")) b[name] = R.column(b[name], b.n);
  return [b.x.map(t => t - R.zero(run)), b[name]];
};

// Columns of both on one axis of time. A place that one of them has no bin at is no gap.
R.joined = columns => uPlot.join(columns.map(c => c || [[], []]));

// Faults of A shade the upper half, those of B the lower.
R.halves = u => {
  const ctx = u.ctx, left = u.bbox.left, right = left + u.bbox.width, half = u.bbox.height / 2;
  const x = t => Math.min(Math.max(u.valToPos(t, "x", true), left), right);
  ctx.save();
  [R.a, R.b].forEach((run, i) => run.bands.forEach(band => {
    const from = x(band.begin - R.zero(run)), to = x(band.end - R.zero(run)), top = u.bbox.top + i * half;
    if (to <= left || from >= right) return;
    ctx.fillStyle = R.color(i ? "band-b" : "band-a");
    ctx.fillRect(from, top, Math.max(to - from, 1), half);
    ctx.fillStyle = R.color(i ? "b" : "a");
    ctx.fillRect(from, top, devicePixelRatio, half);
  }));
  ctx.restore();
};

// All charts over time show the same, however much of it each has data of.
R.wholeRange = (u, min, max) => {
  const x = u.data[0];
  return min <= x[0] && max >= x[x.length - 1] ? [R.from, R.to] : [min, max];
};

R.clock = v => v === null || v === undefined ? "–" : (v > 0 && R.aligned ? "+" : "") + v.toFixed(2) + " s";
R.overTime = (id, height, columns, series, axis, scale) => {
  const host = document.getElementById(id), width = R.width;
  const data = R.joined(columns);
  const time = R.axis(v => (v > 0 && R.aligned ? "+" : "") + +v.toFixed(3) + " s");
  time.size = 30;
  const u = new uPlot({
    width, height, padding: [8, R.right, 0, 0],
    cursor: { sync: { key: "over", scales: ["x", null] }, y: false, points: { size: 6 } },
    scales: { x: { time: false, range: R.wholeRange }, y: scale }, axes: [time, axis],
    series: [{ label: R.aligned ? "from the first fault" : "from the begin", value: (u, v) => R.clock(v) }].concat(series),
    hooks: { drawClear: [R.halves], draw: [R.ends] },
  }, data, host);
  R.plots.push(u);
};
R.pair = (value, more) => [R.line("A", "a", [], value, Object.assign({ end: "A" }, more)), R.line("B", "b", [7, 3], value, Object.assign({ end: "B" }, more))];

R.drawOver = () => {
  R.from = Math.min(...[R.a, R.b].map(r => r.begin - R.zero(r)));
  R.to = Math.max(...[R.a, R.b].map(r => r.end - R.zero(r)));
  const both = name => [R.columnOf(R.a, name), R.columnOf(R.b, name)], least = floor => c => c && [c[0], c[1].map(v => v === null ? null : Math.max(v, floor))];
  const bad = [R.line("A failed", "a", [1, 3], R.rate, { width: 2 }), R.line("B failed", "b", [1, 3], R.rate, { width: 2 })];
  R.overTime("rates", 210, both("ok").concat(both("bad")), R.pair(R.rate).concat(bad), R.axis(v => v.toLocaleString("en")), { range: (u, min, max) => [0, Math.max(1, (max || 0) * 1.12)] });
  R.overTime("p99", 200, both(R.p99Of).map(least(0.001)), R.pair(R.milliseconds), R.logAxis(R.milliseconds), { distr: 3, log: 10, range: R.logRange(0.1, 10) });
  const lag = both("lag").map(least(0.1)), block = document.getElementById("lag-block");
  block.hidden = !lag[0] && !lag[1];
  if (!block.hidden) R.overTime("lag", 180, lag, R.pair(R.milliseconds), R.logAxis(R.milliseconds), { distr: 3, log: 10, range: R.logRange(0.1, 10) });
};

// Percentiles of both: the further right, the rarer.
R.tailNames = () => [...new Set(R.a.lines.concat(R.b.lines).map(l => l.name))];
R.drawTail = () => {
  const host = document.getElementById("tail"), place = p => -Math.log10(1 - p / 100);
  const named = { 0: "0 %", 0.30103: "50 %", 1: "90 %", 2: "99 %", 3: "99.9 %", 4: "99.99 %", 5: "99.999 %", 6: "99.9999 %" };
  const of = [R.a, R.b].map(run => run.lines.find(l => l.name === R.tailOf));
  const data = R.joined(of.map(l => l && [l.at.map(place), R.column(l.p, l.at.length).map(v => Math.max(v, 0.001))]));
  const axis = R.axis(v => named[+v.toFixed(5)] || "");
  axis.size = 30;
  axis.splits = u => Object.keys(named).map(Number).filter(v => v <= u.scales.x.max + 0.01);
  const series = R.pair(R.milliseconds, { width: 2, spanGaps: true });
  of.forEach((l, i) => { series[i].label = "AB"[i] + (l ? " (" + l.n.toLocaleString("en") + ")" : ": none"); });
  R.plots.push(new uPlot({
    width: R.width, height: 280, padding: [12, R.right + 6, 0, 0], cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: false }, y: { distr: 3, log: 10, range: R.logRange(0.01, 0.1) } }, axes: [axis, R.logAxis(R.milliseconds)],
    series: [{ label: "percentile", value: (u, v) => v === null ? "–" : +(100 - 100 * Math.pow(10, -v)).toFixed(5) + " %" }].concat(series),
    hooks: { draw: [R.ends] },
  }, data, host));
};
