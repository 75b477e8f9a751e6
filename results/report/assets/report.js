(function () {
  "use strict";
  var run = JSON.parse(document.getElementById("run-data").textContent);
  var series = run.series, charts = [];

  function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function milliseconds(v) {
    if (v === null || v === undefined) return "–";
    if (v >= 1000) return +(v / 1000).toPrecision(3) + " s";
    if (v >= 1) return +v.toPrecision(3) + " ms";
    return +(v * 1000).toPrecision(3) + " µs";
  }
  function count(v) { return v === null || v === undefined ? "–" : Math.round(v).toLocaleString("en") + "/s"; }
  function seconds(v) { return v === null || v === undefined ? "–" : v.toFixed(2) + " s"; }

  // Each band's label gets a row of its own where labels would overlap.
  function labels(u, ctx) {
    var ends = [], size = 11 * devicePixelRatio;
    ctx.font = "600 " + size + "px system-ui, sans-serif";
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    run.bands.forEach(function (b) {
      var x = Math.max(u.valToPos(b.begin, "x", true), u.bbox.left);
      if (x > u.bbox.left + u.bbox.width || u.valToPos(b.end, "x", true) < u.bbox.left) return;
      var text = b.label, width = ctx.measureText(text).width + size, row = 0;
      x = Math.min(x, u.bbox.left + u.bbox.width - width);
      while (row < 4 && ends[row] > x) row++;
      if (row === 4) return;
      ends[row] = x + width;
      ctx.fillStyle = b.quiet ? color("--soft") : color("--bad");
      ctx.fillText(text, x + size / 3, u.bbox.top + size / 3 + row * size * 1.3);
    });
  }

  function bands(withLabels) {
    return {
      hooks: {
        drawClear: [function (u) {
          var ctx = u.ctx, left = u.bbox.left, right = left + u.bbox.width;
          ctx.save();
          run.bands.forEach(function (b) {
            var from = Math.max(u.valToPos(b.begin, "x", true), left), to = Math.min(u.valToPos(b.end, "x", true), right);
            if (to < left || from > right) return;
            ctx.fillStyle = b.quiet ? color("--quiet") : color("--band");
            ctx.fillRect(from, u.bbox.top, Math.max(to - from, 1), u.bbox.height);
            if (!b.quiet) {
              ctx.fillStyle = color("--band-edge");
              ctx.fillRect(from, u.bbox.top, devicePixelRatio, u.bbox.height);
            }
          });
          ctx.restore();
        }],
        draw: withLabels ? [function (u) { u.ctx.save(); labels(u, u.ctx); u.ctx.restore(); }] : [],
      },
    };
  }

  function axis(values, size) {
    return {
      stroke: color("--soft"), size: size || 34, font: "11px system-ui, sans-serif",
      grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 },
      values: function (u, splits) { return splits.map(function (v) { return v === null ? "" : values(v); }); },
    };
  }

  // Of a log scale's many lines only the powers of ten stay.
  function tens(u, splits) {
    return splits.map(function (v) { return Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9 ? v : null; });
  }
  function logAxis() {
    var a = axis(milliseconds, 58);
    a.filter = a.grid.filter = a.ticks.filter = tens;
    return a;
  }

  function line(label, stroke, value, more) {
    var s = { label: label, stroke: color(stroke), width: 1.5, spanGaps: false, points: { show: false }, value: function (u, v) { return value(v); } };
    for (var k in more) s[k] = more[k];
    return s;
  }

  function chart(id, height, scale, yAxis, columns, lines, plugin) {
    var host = document.getElementById(id);
    host.textContent = "";
    var used = [], data = [series.t];
    columns.forEach(function (c, i) {
      if (c.some(function (v) { return v !== null; })) { data.push(c); used.push(lines[i]); }
    });
    var u = new uPlot({
      width: host.clientWidth, height: height, plugins: [plugin],
      cursor: { sync: { key: "run" }, points: { size: 6 }, y: false },
      scales: { x: { time: false }, y: scale },
      axes: [axis(function (v) { return +v.toFixed(2) + " s"; }), yAxis],
      series: [{ label: "at", value: function (x, v) { return seconds(v); } }].concat(used),
    }, data, host);
    charts.push(u);
  }

  function positive(column) { return column.map(function (v) { return v === null ? null : Math.max(v, 0.001); }); }

  function draw() {
    charts.forEach(function (u) { u.destroy(); });
    charts = [];
    var log = { distr: 3, log: 10, range: function (u, min, max) { return min === null || !(max > 0) ? [0.1, 10] : uPlot.rangeLog(min, max * 1.6, 10, false); } };
    var some = { range: function (u, min, max) { return [0, Math.max(1, (max || 0) * 1.12)]; } };
    chart("latency", 300, log, logAxis(),
      [series.read_p50, series.write_p50, series.read_p99, series.write_p99, series.read_max, series.write_max].map(positive),
      [
        line("read median", "--read-soft", milliseconds), line("write median", "--write-soft", milliseconds),
        line("read p99", "--read", milliseconds), line("write p99", "--write", milliseconds),
        line("read max", "--read", milliseconds, { show: false, dash: [3, 3], width: 1 }),
        line("write max", "--write", milliseconds, { show: false, dash: [3, 3], width: 1 }),
      ], bands(true));
    chart("throughput", 190, some, axis(function (v) { return v.toLocaleString("en"); }, 58),
      [series.acked, series.errors],
      [line("acknowledged", "--acked", count), line("errors", "--errors", count)], bands(false));
    if (document.getElementById("lag")) {
      var above = { distr: 3, log: 10, range: function (u, min, max) { return log.range(u, min === null ? min : Math.max(min, 0.1), Math.max(max || 0, 1)); } };
      chart("lag", 190, above, logAxis(), [series.lag_seen, series.lag_told].map(positive),
        [line("seen by clients", "--read", milliseconds), line("told by the system", "--write", milliseconds)], bands(false));
    }
    if (document.getElementById("staleness")) {
      // Dots, for stale reads come one by one; the first replicas' are larger, so that dots in one place all show.
      var n = series.stale.length, step = Math.min(1.5, 4 / n);
      chart("staleness", 190, log, logAxis(), series.stale.map(function (s) { return positive(s.max); }), series.stale.map(function (s, i) {
        return line(s.node, "--n" + i, milliseconds, {
          paths: function () { return null; }, points: { show: true, size: 3 + step * (n - 1 - i), width: 0, fill: color("--n" + i) },
        });
      }), bands(false));
    }
  }

  if (!series.t || !series.t.length || typeof uPlot === "undefined") return;
  draw();
  var width = 0;
  new ResizeObserver(function () {
    var now = document.getElementById("latency").clientWidth;
    if (now === width || !now) return;
    width = now;
    charts.forEach(function (u) { u.setSize({ width: now, height: u.height }); });
  }).observe(document.getElementById("latency"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (d) { d.open = true; });
  });
})();
