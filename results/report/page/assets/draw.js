// What all charts share: bands, the one zoom.
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
