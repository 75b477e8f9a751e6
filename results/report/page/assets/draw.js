// What all charts share: bands, axes, ends of lines.
R.bands = u => {
  const ctx = u.ctx, left = u.bbox.left, right = left + u.bbox.width;
  const x = t => Math.min(Math.max(u.valToPos(t, "x", true), left), right);
  ctx.save();
  for (const b of R.run.bands) {
    const from = x(b.begin), to = x(b.end);
    if (b.end < u.scales.x.min || b.begin > u.scales.x.max) continue;
    ctx.fillStyle = R.color(b.kind === "fault" ? "band" : b.kind === "doubt" ? "doubt" : "quiet");
    ctx.fillRect(from, u.bbox.top, Math.max(to - from, 1), u.bbox.height);
    if (b.kind === "fault") {
      ctx.fillStyle = R.color("band-edge");
      ctx.fillRect(from, u.bbox.top, devicePixelRatio, u.bbox.height);
      if (b.end <= u.scales.x.max) ctx.fillRect(to, u.bbox.top, devicePixelRatio / 2, u.bbox.height);
    }
  }
  ctx.strokeStyle = R.color("failover");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const f of R.run.failovers) {
    if (f.at < u.scales.x.min || f.at > u.scales.x.max) continue;
    ctx.beginPath();
    ctx.moveTo(x(f.at), u.bbox.top);
    ctx.lineTo(x(f.at), u.bbox.top + u.bbox.height);
    ctx.stroke();
  }
  ctx.restore();
};

R.font = size => (size || 11) * devicePixelRatio + "px system-ui, sans-serif";

R.axis = values => ({
  stroke: R.color("soft"), size: R.gutter, font: "11px system-ui, sans-serif",
  grid: { stroke: R.color("grid"), width: 1 }, ticks: { stroke: R.color("grid"), width: 1 },
  values: (u, splits) => splits.map(v => v === null ? "" : values(v)),
});
R.timeAxis = () => {
  const a = R.axis(v => +v.toFixed(4) + " s");
  a.size = 30;
  return a;
};
// Of a log scale's many lines only the powers of ten stay.
R.logAxis = values => {
  const a = R.axis(values);
  a.filter = a.grid.filter = a.ticks.filter = (u, splits) => splits.map(v => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9 ? v : null);
  return a;
};
R.logRange = (least, most) => (u, min, max) => {
  if (min === null || !(max > 0)) return [least, most];
  return uPlot.rangeLog(Math.max(min, 1e-3), Math.max(max * 1.3, most), 10, false);
};

R.dashes = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 4], [1, 3], [6, 2, 1, 2, 1, 2]];

R.line = (label, color, dash, value, more) => Object.assign({
  label, stroke: R.color(color), width: 1.6, dash, spanGaps: false, points: { show: false }, value: (u, v) => value(v),
}, more);

// Names stand at the ends of lines, so that no colour has to be told apart.
R.ends = u => {
  const ctx = u.ctx, taken = [];
  ctx.save();
  ctx.font = "600 " + R.font(10.5);
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  u.series.forEach((s, i) => {
    if (!i || !s.show || !s.end) return;
    const data = u.data[i], [from, to] = u.series[0].idxs || [0, data.length - 1];
    let k = Math.min(to, data.length - 1);
    while (k >= from && (data[k] === null || data[k] === undefined)) k--;
    if (k < from || k < 0) return;
    const x = Math.min(u.valToPos(u.data[0][k], "x", true), u.bbox.left + u.bbox.width) - 2 * devicePixelRatio;
    let y = u.valToPos(data[k], "y", true) - 2 * devicePixelRatio;
    for (let n = 0; n < 8 && taken.some(t => Math.abs(t - y) < 12 * devicePixelRatio); n++) y -= 12 * devicePixelRatio;
    y = Math.max(y, u.bbox.top + 12 * devicePixelRatio);
    taken.push(y);
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.strokeStyle = R.color("card");
    ctx.strokeText(s.end, x, y);
    ctx.fillStyle = R.color("ink");
    ctx.fillText(s.end, x, y);
  });
  ctx.restore();
};

// One chart over time. make(level) gives its data and series for a level.
R.chart = (id, height, options) => {
  const host = document.getElementById(id);
  const c = { id, host, index: -1, u: null };
  c.show = () => {
    const index = options.levels === false ? 0 : R.levelFor(R.range.from, R.range.to, host.clientWidth - R.gutter);
    if (index !== c.index || options.always) {
      c.index = index;
      c.u.setData(options.data(index), false);
    }
    c.u.setScale("x", { min: R.range.from, max: R.range.to });
  };
  c.make = width => {
    if (c.u) c.u.destroy();
    c.index = -1;
    const built = options.build();
    c.u = new uPlot(Object.assign({
      width, height: built.height || height,
      padding: [built.top || 8, R.right, 0, 0],
      legend: { show: built.legend !== false },
      cursor: {
        sync: { key: "run", setSeries: false, filters: { pub: type => type === "mousemove" || type === "mouseleave" } },
        points: { size: 6 }, y: false, drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => { R.zoom(R.whole.from, R.whole.to); return null; } },
      },
      scales: { x: { time: false, auto: false, min: R.range.from, max: R.range.to }, y: built.scale },
      axes: [R.timeAxis(), built.axis],
      series: [{ label: "at", value: (u, v) => R.seconds(v) }].concat(built.series),
      hooks: {
        drawClear: [R.bands].concat(built.under || []),
        draw: [R.ends].concat(built.over || []),
        setCursor: built.cursor || [],
        setSelect: [u => {
          if (u.select.width < 4) return;
          const from = u.posToVal(u.select.left, "x"), to = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          R.zoom(from, to);
        }],
      },
    }), options.data(R.levelFor(R.range.from, R.range.to, width - R.gutter)), host);
    c.show();
  };
  R.charts.push(c);
  return c;
};
