// Axes, lines and the names at their ends, of every chart.
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

