// Latency, rates, lag, staleness and resources over time.
R.cellLow = row => 0.001 * Math.pow(2, row / 4); // milliseconds
R.mix = (a, b, t) => "rgb(" + [1, 3, 5].map(i => Math.round(parseInt(a.slice(i, i + 2), 16) * (1 - t) + parseInt(b.slice(i, i + 2), 16) * t)).join(",") + ")";

R.drawHeat = u => {
  const l = R.level(R.levelFor(R.range.from, R.range.to, R.latency.host.clientWidth - R.gutter)), g = l[R.latencyOf];
  if (!g) return;
  const ctx = u.ctx, a = R.color("heat0"), b = R.color("heat1");
  const first = Math.max(Math.floor((u.scales.x.min - l.first) / l.width), 0), last = Math.min(Math.ceil((u.scales.x.max - l.first) / l.width), l.bins - 1);
  let most = 1;
  for (let i = first; i <= last; i++) for (let k = 1, cells = g.heat[i] || []; k < cells.length; k += 2) most = Math.max(most, cells[k]);
  const shades = Array.from({ length: 13 }, (_, i) => R.mix(a, b, i / 12)), scale = 12 / Math.log(most + 1);
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  for (let i = first; i <= last; i++) {
    const cells = g.heat[i];
    if (!cells) continue;
    const x = u.valToPos(l.first + i * l.width, "x", true), w = Math.max(u.valToPos(l.first + (i + 1) * l.width, "x", true) - x, 1);
    for (let k = 0; k < cells.length; k += 2) {
      const top = u.valToPos(R.cellLow(cells[k] + 1), "y", true), low = u.valToPos(R.cellLow(cells[k]), "y", true);
      ctx.fillStyle = shades[Math.min(Math.round(Math.log(cells[k + 1] + 1) * scale), 12)];
      ctx.fillRect(x, top, w + 0.5, low - top + 0.5);
    }
  }
  ctx.restore();
};

R.heatRange = u => {
  const l = R.level(R.levelFor(R.range.from, R.range.to, R.latency.host.clientWidth - R.gutter)), g = l[R.latencyOf];
  let low = Infinity, high = -Infinity;
  const first = Math.max(Math.floor((R.range.from - l.first) / l.width), 0), last = Math.min(Math.ceil((R.range.to - l.first) / l.width), l.bins - 1);
  for (let i = first; g && i <= last; i++) {
    const cells = g.heat[i];
    if (cells && cells.length) { low = Math.min(low, cells[0]); high = Math.max(high, cells[cells.length - 2]); }
  }
  if (low > high) return [0.1, 10];
  return uPlot.rangeLog(Math.max(R.cellLow(low) * 0.9, 0.001), R.cellLow(high + 1) * 1.2, 10, false);
};

R.makeLatency = () => {
  const positive = c => c.map(v => v === null ? null : Math.max(v, 0.001));
  R.latency = R.chart("latency", 290, {
    always: true,
    data: index => { const l = R.level(index), g = l[R.latencyOf]; return [l.x, positive(g.p50), positive(g.p99), positive(g.max)]; },
    build: () => ({
      scale: { distr: 3, log: 10, range: R.heatRange }, axis: R.logAxis(R.milliseconds), under: [R.drawHeat],
      series: [R.line("median", "p50", [], R.milliseconds, { end: "median" }), R.line("p99", "p99", [6, 3], R.milliseconds, { end: "p99" }),
        R.line("max", "p99", [2, 3], R.milliseconds, { show: false, width: 1 })],
    }),
  });
};

R.groups = () => ["writes", "reads"].filter(g => R.run.levels[0][g]);

R.makeRates = () => {
  const groups = R.groups(), sum = (l, c) => l.x.map((_, i) => groups.reduce((n, g) => n + l[g][c][i], 0));
  const fill = uPlot.paths.stepped({ align: 0 });
  R.chart("rates", 170, {
    data: index => { const l = R.level(index); return [l.x].concat(groups.map(g => l[g].ok), [sum(l, "failed"), sum(l, "unknown")]); },
    build: () => ({
      scale: { range: (u, min, max) => [0, Math.max(1, (max || 0) * 1.12)] }, axis: R.axis(v => v.toLocaleString("en")),
      series: groups.map((g, i) => R.line(g + " acknowledged", i ? "l2" : "ok", i ? [7, 3] : [], R.rate, { end: g }))
        .concat([R.line("failed", "failed", [3, 2], R.rate, { width: 1.6, fill: R.color("band") }), R.line("outcome unknown", "open", [1, 3], R.rate, { width: 2.4 })]),
    }),
  });
};

// Lines of nodes: those of one node have one colour and one dash.
R.nodeOrder = name => Math.max(R.run.lanes.findIndex(l => l.name === name), 0) % 8;
R.makeLag = () => {
  const first = R.run.levels[0], seen = first.seen || [], told = first.told || [];
  if (!seen.length && !told.length) return;
  document.getElementById("lag-block").hidden = false;
  const positive = c => c.map(v => v === null ? null : Math.max(v, 0.1));
  const names = (l, key, list) => list.map(one => { const of = (l[key] || []).find(o => o.node === one.node); return of ? positive(of.max) : l.x.map(() => null); });
  R.chart("lag", 200, {
    data: index => { const l = R.level(index); return [l.x].concat(names(l, "seen", seen), names(l, "told", told)); },
    build: () => ({
      scale: { distr: 3, log: 10, range: R.logRange(0.1, 10) }, axis: R.logAxis(R.milliseconds),
      series: seen.map(o => R.line(o.node + " seen by clients", "l" + R.nodeOrder(o.node), R.dashes[R.nodeOrder(o.node)], R.milliseconds, { end: o.node }))
        .concat(told.map(o => R.line(o.node + " told by the system", "l" + R.nodeOrder(o.node), [1, 3], R.milliseconds, { end: o.node + " told", width: 2.2 }))),
    }),
  });
};

// Marks that differ by shape.
R.shape = (ctx, kind, x, y, r) => {
  ctx.beginPath();
  if (kind === 0) ctx.arc(x, y, r, 0, 7);
  else if (kind === 1) ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (kind === 2) { ctx.moveTo(x, y - r * 1.3); ctx.lineTo(x + r * 1.2, y + r); ctx.lineTo(x - r * 1.2, y + r); }
  else { ctx.moveTo(x, y - r * 1.4); ctx.lineTo(x + r * 1.4, y); ctx.lineTo(x, y + r * 1.4); ctx.lineTo(x - r * 1.4, y); }
  ctx.closePath();
  ctx.fill();
};

R.makeStaleness = () => {
  const nodes = R.run.levels[0].stale || [];
  if (!nodes.length) return;
  document.getElementById("stale-block").hidden = false;
  const signs = ["●", "■", "▲", "◆"];
  R.chart("staleness", 170, {
    data: index => { const l = R.level(index); return [l.x].concat(nodes.map(n => { const of = (l.stale || []).find(o => o.node === n.node); return of ? of.max.map(v => v === null ? null : Math.max(v, 0.1)) : l.x.map(() => null); })); },
    build: () => ({
      scale: { distr: 3, log: 10, range: R.logRange(0.1, 10) }, axis: R.logAxis(R.milliseconds),
      series: nodes.map(n => R.line(signs[R.nodeOrder(n.node) % 4] + " " + n.node, "l" + R.nodeOrder(n.node), [], R.milliseconds, { paths: () => null })),
      over: [u => {
        u.ctx.save();
        nodes.forEach((n, i) => {
          if (!u.series[i + 1].show) return;
          u.ctx.fillStyle = R.color("l" + R.nodeOrder(n.node));
          u.data[i + 1].forEach((v, k) => {
            const t = u.data[0][k];
            if (v === null || t < u.scales.x.min || t > u.scales.x.max) return;
            R.shape(u.ctx, R.nodeOrder(n.node) % 4, u.valToPos(t, "x", true), u.valToPos(v, "y", true), 2.4 * devicePixelRatio);
          });
        });
        u.ctx.restore();
      }],
    }),
  });
};

R.resourceKinds = { cpu: ["processors", v => v === null || v === undefined ? "–" : R.short(v) + ""], memory: ["memory", R.bytes], network: ["network", v => R.bytes(v) + (v === null ? "" : "/s")], storage: ["storage", v => R.bytes(v) + (v === null ? "" : "/s")] };
R.makeResources = () => {
  const r = R.run.resources;
  if (!r) return;
  document.getElementById("resources-block").hidden = false;
  const n = r.nodes[0].cpu.reduce((sum, cell) => sum + (typeof cell === "string" ? +cell : 1), 0);
  r.x = Array.from({ length: n }, (_, i) => r.first + (i + 0.5) * r.width);
  for (const node of r.nodes) for (const k of Object.keys(R.resourceKinds)) node[k] = R.column(node[k], n);
  R.resourcesOf = "cpu";
  R.resourceChart = R.chart("resources", 160, {
    levels: false, always: true,
    data: () => [r.x].concat(r.nodes.map(node => node[R.resourcesOf])),
    build: () => ({
      scale: { range: (u, min, max) => [0, (max || 0) * 1.15 || 1] }, axis: R.axis(R.resourceKinds[R.resourcesOf][1]),
      series: r.nodes.map(node => R.line(node.node, "l" + R.nodeOrder(node.node), R.dashes[R.nodeOrder(node.node)], R.resourceKinds[R.resourcesOf][1], { end: node.node })),
    }),
  });
};
