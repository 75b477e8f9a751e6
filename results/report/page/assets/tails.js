// Distributions by percentile: the further right, the rarer.
R.makeTails = () => {
  const host = document.getElementById("tail");
  if (!host || !R.run.spreads.length) return;
  const place = p => -Math.log10(1 - p / 100), named = { 0: "0 %", 0.30103: "50 %", 1: "90 %", 2: "99 %", 3: "99.9 %", 4: "99.99 %", 5: "99.999 %", 6: "99.9999 %" };
  R.tailOf = 0;
  const c = { host, show: () => {} };
  c.make = width => {
    if (c.u) c.u.destroy();
    const s = R.run.spreads[R.tailOf];
    document.getElementById("tail-about").textContent = s.about.charAt(0).toUpperCase() + s.about.slice(1) + ".";
    const xs = [...new Set(s.lines.flatMap(l => l.at))].sort((a, b) => a - b);
    const data = [xs.map(place)].concat(s.lines.map(l => {
      const at = new Map(l.at.map((p, i) => [p, R.column(l.p, l.at.length)[i]]));
      return xs.map(x => at.has(x) ? Math.max(at.get(x), 0.001) : null);
    }));
    const axis = R.axis(v => named[+v.toFixed(5)] || "");
    axis.size = 30;
    axis.splits = u => Object.keys(named).map(Number).filter(v => v <= u.scales.x.max + 0.01);
    c.u = new uPlot({
      width, height: 280, padding: [12, R.right + 6, 0, 0], cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: false }, y: { distr: 3, log: 10, range: R.logRange(0.01, 0.1) } }, axes: [axis, R.logAxis(R.milliseconds)],
      series: [{ label: "percentile", value: (u, v) => v === null ? "–" : +(100 - 100 * Math.pow(10, -v)).toFixed(5) + " %" }].concat(s.lines.map((l, i) =>
        R.line(l.label + " (" + l.n.toLocaleString("en") + ")", "l" + i % 8, R.dashes[i % 8], R.milliseconds, { end: l.label, width: 2, spanGaps: true }))),
      hooks: { draw: [R.ends] },
    }, data, host);
  };
  R.tails = c;
  R.charts.push(c);
};
