R.follow = () => {
  const hash = location.hash, t = /^#t=(-?[\d.]+),(-?[\d.]+)$/.exec(hash);
  if (t) { R.zoom(+t[1], +t[2], true); return; }
  document.querySelectorAll(".aimed").forEach(e => e.classList.remove("aimed"));
  const aim = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!aim) return;
  for (let d = aim.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
  aim.classList.add("aimed");
  aim.scrollIntoView({ block: "center" });
  aim.focus({ preventScroll: true });
};

R.fit = width => {
  R.gutter = width < 560 ? 76 : 112;
  R.charts.forEach(c => c.make(width));
  R.makeKey();
};

R.start = () => {
  const charts = document.getElementById("charts"), on = (id, f) => document.getElementById(id).addEventListener("click", f);
  R.latencyOf = R.groups()[0];
  R.makeLanes();
  R.makeLatency();
  R.makeRates();
  R.makeLag();
  R.makeStaleness();
  R.makeResources();
  R.makeTails();
  R.choice("latency-of", R.groups().map(g => [g, g]), R.latencyOf, g => { R.latencyOf = g; R.latency.make(R.width); });
  R.choice("resources-of", Object.keys(R.resourceKinds).map(k => [k, R.resourceKinds[k][0]]), "cpu", k => { R.resourcesOf = k; R.resourceChart.make(R.width); });
  R.choice("tail-of", R.run.spreads.map((s, i) => [i, s.name]), 0, i => { R.tailOf = i; R.tails.make(R.width); });
  R.width = charts.clientWidth;
  R.fit(R.width);
  on("zoom-in", () => R.scaled(0.5));
  on("zoom-out", () => R.scaled(2));
  on("earlier", () => R.moved(-0.3));
  on("later", () => R.moved(0.3));
  on("whole", () => R.zoom(R.whole.from, R.whole.to));
  charts.addEventListener("keydown", e => {
    const act = { "+": () => R.scaled(0.5), "=": () => R.scaled(0.5), "-": () => R.scaled(2), ArrowLeft: () => R.moved(-0.3), ArrowRight: () => R.moved(0.3), "0": () => R.zoom(R.whole.from, R.whole.to) }[e.key];
    if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    act();
  });
  R.zoom(R.range.from, R.range.to, true);
  R.follow();
  addEventListener("hashchange", R.follow);
  new ResizeObserver(() => {
    const now = charts.clientWidth;
    if (now === R.width || !now || R.printing) return;
    R.width = now;
    R.fit(now);
  }).observe(charts);
  const redraw = () => R.fit(R.width);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const print = now => { R.printing = now; R.fit(now ? Math.min(R.width, 660) : R.width); };
  matchMedia("print").addEventListener("change", e => print(e.matches));
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  R.readyAt = performance.now(); // since the page was asked for
  document.documentElement.dataset.ready = "yes";
};
R.start();
