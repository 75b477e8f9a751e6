// The lanes: what nodes and clients were like, and ticks of what contradicts itself.
R.states = {
  primary: ["primary", "on-dark"], replica: ["replica", "on-light"], peer: ["peer", "on-light"],
  thought: ["thought it was primary", "on-light", "old primary"], paused: ["paused", "on-light"], down: ["down", "white"], cut: ["cut off", "on-light"], catching: ["catching up", "on-light", "back"],
  served: ["clients served", "on-light"], some: ["some operations failed", "on-light"], refused: ["none acknowledged", "on-dark", "none"],
};

// Each state has a pattern of its own besides its colour.
R.paint = (ctx, state, x, y, w, h) => {
  const p = devicePixelRatio;
  ctx.save();
  ctx.fillStyle = R.color(state) || R.color("quiet");
  ctx.fillRect(x, y, w, h);
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = state === "down" || state === "refused" ? "rgba(255,255,255,.55)" : R.color("on-light");
  ctx.globalAlpha = 0.45;
  ctx.lineWidth = p;
  const lines = (step, lean) => {
    ctx.beginPath();
    for (let at = x - h; at < x + w + h; at += step * p) { ctx.moveTo(at, lean > 0 ? y + h : y); ctx.lineTo(at + h * Math.abs(lean), lean > 0 ? y : y + h); }
    ctx.stroke();
  };
  if (state === "thought") { ctx.lineWidth = 2 * p; lines(8, 1); }
  if (state === "catching") lines(7, -1);
  if (state === "cut") { ctx.setLineDash([3 * p, 2 * p]); lines(6, 0); }
  if (state === "refused") { lines(7, 1); lines(7, -1); }
  if (state === "paused" || state === "some") for (let at = x + 3 * p; at < x + w; at += 6 * p) { ctx.fillRect(at, y + h / 3, 1.5 * p, 1.5 * p); ctx.fillRect(at + 3 * p, y + h * 2 / 3, 1.5 * p, 1.5 * p); }
  if (state === "down") { ctx.beginPath(); ctx.moveTo(x, y + h / 2); ctx.lineTo(x + w, y + h / 2); ctx.stroke(); }
  ctx.restore();
};

R.laneRows = () => R.run.lanes.concat(R.run.clients, R.run.ticks.map(t => ({ name: t.name, ticks: t })));

R.drawLanes = u => {
  const ctx = u.ctx, p = devicePixelRatio, rows = R.laneRows(), h = R.laneHeight * p, left = u.bbox.left, right = left + u.bbox.width;
  const x = t => Math.min(Math.max(u.valToPos(t, "x", true), left), right);
  ctx.save();
  ctx.textBaseline = "middle";
  rows.forEach((row, i) => {
    const y = u.bbox.top + (R.laneTop * p) + i * h, top = y + 2 * p, high = h - 4 * p;
    ctx.font = R.font(11.5);
    ctx.textAlign = "right";
    ctx.fillStyle = R.color("ink");
    let name = row.name;
    while (name.length > 3 && ctx.measureText(name).width > left - 10 * p) name = name.slice(0, -2) + "…";
    ctx.fillText(name, left - 8 * p, y + h / 2);
    ctx.textAlign = "left";
    for (const s of row.segments || []) {
      if (s.to < u.scales.x.min || s.from > u.scales.x.max) continue;
      const a = x(s.from), w = Math.max(x(s.to) - a, p);
      R.paint(ctx, s.state, a, top, w, high);
      const text = [s.label, (R.states[s.state] || [""])[0], s.label.split(",")[0], (R.states[s.state] || [])[2]].find(t => t && ctx.measureText(t).width + 8 * p < w);
      if (!text || s.state === "served") continue;
      const wide = ctx.measureText(text).width;
      const on = R.states[s.state] ? R.states[s.state][1] : "ink";
      if (!["primary", "replica", "down", "peer"].includes(s.state)) { ctx.fillStyle = R.color(s.state); ctx.fillRect(a + 2 * p, top + 2 * p, wide + 4 * p, high - 4 * p); }
      ctx.fillStyle = on === "white" ? "#fff" : R.color(on);
      ctx.fillText(text, a + 4 * p, y + h / 2);
    }
    if (row.ticks) {
      ctx.fillStyle = R.color("tick");
      row.ticks.at.forEach(t => {
        if (t < u.scales.x.min || t > u.scales.x.max) return;
        ctx.fillRect(Math.round(x(t) - 0.75 * p), top + 2 * p, 1.5 * p, high - 4 * p);
      });
      for (const o of row.ticks.open) {
        if (o.at < u.scales.x.min || o.at > u.scales.x.max) continue;
        const at = x(o.at), d = 4 * p;
        ctx.beginPath();
        ctx.moveTo(at, top - p); ctx.lineTo(at + d, top + d - p); ctx.lineTo(at, top + 2 * d - p); ctx.lineTo(at - d, top + d - p);
        ctx.fill();
      }
    }
    ctx.fillStyle = R.color("line");
    ctx.fillRect(left, y + h - p / 2, u.bbox.width, p / 2);
  });
  R.bandLabels(u, ctx);
  ctx.restore();
};

// Each band's label gets a row of its own where labels would overlap.
R.bandLabels = (u, ctx) => {
  const p = devicePixelRatio, ends = [], size = 13 * p, left = u.bbox.left, right = left + u.bbox.width;
  const labels = R.run.bands.filter(b => b.kind !== "doubt").map(b => ({ at: b.begin, end: b.end, text: b.label, color: b.kind === "fault" ? "bad" : "soft" }))
    .concat(R.run.failovers.map(f => ({ at: f.at, end: f.at, text: "◆ " + f.label, color: "failover" }))).sort((a, b) => a.at - b.at);
  ctx.font = "600 " + R.font(10.5);
  ctx.textBaseline = "top";
  for (const b of labels) {
    if (b.end < u.scales.x.min || b.at > u.scales.x.max) continue;
    const width = ctx.measureText(b.text).width + 6 * p;
    let at = Math.max(u.valToPos(b.at, "x", true), left), row = 0;
    at = Math.max(Math.min(at, right - width), left);
    while (row < R.labelRows && ends[row] > at) row++;
    if (row === R.labelRows) continue;
    ends[row] = at + width;
    ctx.fillStyle = R.color(b.color);
    ctx.fillText(b.text, at + 2 * p, u.bbox.top + 2 * p + row * size);
  }
};

// Links over the ticks whose evidence is on the page: for the mouse and the keyboard.
R.tickLinks = u => {
  let over = R.lanes.host.querySelector(".over");
  if (!over) { over = document.createElement("div"); over.className = "over"; R.lanes.host.append(over); }
  over.textContent = "";
  R.laneRows().forEach((row, i) => {
    if (!row.ticks) return;
    for (const o of row.ticks.open) {
      if (o.at < u.scales.x.min || o.at > u.scales.x.max) continue;
      const a = document.createElement("a");
      a.className = "tick";
      a.href = "#" + o.id;
      a.setAttribute("aria-label", row.name + " at " + R.seconds(o.at) + ": evidence");
      a.title = row.name + " at " + R.seconds(o.at);
      a.style.left = u.valToPos(o.at, "x") + u.bbox.left / devicePixelRatio + "px";
      a.style.top = u.bbox.top / devicePixelRatio + R.laneTop + i * R.laneHeight + 2 + "px";
      over.append(a);
    }
  });
};

R.laneTip = u => {
  const tip = R.tip, at = u.posToVal(u.cursor.left, "x"), rows = R.laneRows(), row = rows[Math.floor((u.cursor.top - R.laneTop) / R.laneHeight)];
  tip.hidden = true;
  if (u.cursor.left < 0 || !row || !R.lanes.host.matches(":hover")) return;
  let text = "";
  for (const s of row.segments || []) if (s.from <= at && at < s.to) text = row.name + ": " + s.label + ", " + R.seconds(s.from) + " to " + R.seconds(s.to);
  if (row.ticks) {
    const near = (u.scales.x.max - u.scales.x.min) / 150;
    let n = 0;
    row.ticks.at.forEach((t, i) => { if (Math.abs(t - at) < near) n += row.ticks.n[i]; });
    if (n) text = n.toLocaleString("en") + " × " + row.name + " around " + R.seconds(at);
  }
  if (!text) return;
  tip.textContent = text;
  tip.hidden = false;
  const x = u.cursor.left + u.bbox.left / devicePixelRatio;
  tip.style.left = Math.min(x + 12, R.lanes.host.clientWidth - 262) + "px";
  tip.style.top = u.cursor.top + 24 + "px";
};

R.makeLanes = () => {
  R.laneHeight = 24;
  R.labelRows = 3;
  R.laneTop = R.labelRows * 13 + 4;
  R.tip = document.createElement("div");
  R.tip.className = "tip";
  R.tip.hidden = true;
  R.lanes = R.chart("lanes", 0, {
    levels: false,
    data: () => [[R.whole.from, R.whole.to], [null, null]],
    build: () => ({
      height: R.laneTop + R.laneRows().length * R.laneHeight + 38, top: 4, legend: false,
      scale: { range: () => [0, 1] }, axis: Object.assign(R.axis(() => ""), { grid: { show: false }, ticks: { show: false } }),
      series: [{ show: true, paths: () => null, points: { show: false } }],
      over: [R.drawLanes, R.tickLinks], cursor: [R.laneTip],
    }),
  });
  R.lanes.host.append(R.tip);
};

// The key: every state that occurs, with its pattern.
R.makeKey = () => {
  const used = new Set(), list = document.getElementById("states");
  list.textContent = "";
  for (const lane of R.run.lanes.concat(R.run.clients)) for (const s of lane.segments) used.add(s.state);
  for (const state of Object.keys(R.states)) {
    if (!used.has(state)) continue;
    const item = document.createElement("li"), sign = document.createElement("canvas");
    sign.width = 24 * devicePixelRatio;
    sign.height = 12 * devicePixelRatio;
    sign.style.width = "24px";
    sign.style.height = "12px";
    R.paint(sign.getContext("2d"), state, 0, 0, sign.width, sign.height);
    item.append(sign, R.states[state][0]);
    list.append(item);
  }
  if (R.run.ticks.some(t => t.open.length)) {
    const item = document.createElement("li");
    item.textContent = "◆ its evidence is below";
    list.append(item);
  }
};
