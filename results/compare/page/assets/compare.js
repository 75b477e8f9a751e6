// Which two runs are shown, and their heads.
R.plots = [];
R.find = id => R.run.runs.find(r => r.id === id);
R.label = r => r.started.slice(0, 16) + "  " + r.mark + " " + r.plan + (r.varied ? " " + r.varied : "") + ", seed " + r.seed;

R.side = (run, letter, choose) => {
  const box = document.createElement("div"), add = (tag, text, kind) => {
    const e = document.createElement(tag);
    e.textContent = text;
    if (kind) e.className = kind;
    box.append(e);
    return e;
  };
  box.className = "side " + letter.toLowerCase();
  const head = add("h2", ""), sign = document.createElement("span");
  sign.className = "letter";
  sign.textContent = letter;
  head.append(sign, run.plan);
  if (R.run.runs.length > 2) {
    const select = add("select", "");
    select.id = "choose-" + letter.toLowerCase();
    select.setAttribute("aria-label", "Run " + letter);
    for (const r of R.run.runs) {
      const option = document.createElement("option");
      option.value = r.id;
      option.textContent = R.label(r);
      option.selected = r === run;
      select.append(option);
    }
    select.addEventListener("change", () => choose(R.find(select.value)));
  }
  add("p", run.headline, "said");
  add("p", run.mark + " " + run.answer, "answer " + run.answer);
  add("p", [run.system, run.varied, "seed " + run.seed, run.started, run.machine].filter(Boolean).join(" · "), "soft");
  if (run.link) {
    const link = add("a", "Its report");
    link.href = run.link;
  }
  return box;
};

R.show = silent => {
  const pick = () => { R.show(); document.getElementById(R.focus).focus(); };
  R.aligned = R.a.fault !== null && R.b.fault !== null;
  document.getElementById("sides").replaceChildren(
    R.side(R.a, "A", r => { R.a = r; R.focus = "choose-a"; pick(); }), R.side(R.b, "B", r => { R.b = r; R.focus = "choose-b"; pick(); }));
  const words = [];
  if (R.a.digest !== R.b.digest) words.push("These are runs of different plans, so they do not measure the same.");
  if (R.a.machine !== R.b.machine) words.push("They were made on different machines, or by different programs.");
  const note = document.getElementById("differ");
  note.textContent = words.join(" ");
  note.hidden = words.length === 0;
  document.getElementById("aligned").textContent = (R.aligned ? "Both begin to count at their first fault." : "Both count from their begin, as not both have a fault.") + " Shaded: faults, those of A in the upper half, those of B in the lower.";
  document.title = R.a.plan + (R.a.plan === R.b.plan ? ": two runs compared" : " and " + R.b.plan + " compared");
  R.draw();
  R.showFacts();
  if (!silent) history.replaceState(null, "", "#a=" + encodeURIComponent(R.a.id) + "&b=" + encodeURIComponent(R.b.id));
};

R.draw = () => {
  R.plots.forEach(u => u.destroy());
  R.plots = [];
  R.gutter = R.width < 560 ? 76 : 96;
  document.querySelectorAll("#p99-of, #tail-of").forEach(e => e.replaceChildren());
  const groups = ["writes", "reads"].filter(g => [R.a, R.b].some(r => r.bins && r.bins[g])), tails = R.tailNames();
  if (!groups.includes(R.p99Of)) R.p99Of = groups[0];
  if (!tails.includes(R.tailOf)) R.tailOf = tails[0];
  document.getElementById("over").hidden = groups.length === 0;
  document.getElementById("tails").hidden = tails.length === 0;
  R.choice("p99-of", groups.map(g => [g, g]), R.p99Of, g => { R.p99Of = g; R.again("#p99-of"); });
  R.choice("tail-of", tails.map(n => [n, n]), R.tailOf, n => { R.tailOf = n; R.again("#tail-of"); });
  if (groups.length) R.drawOver();
  if (tails.length) R.drawTail();
};
R.again = where => { R.draw(); document.querySelector(where + " [aria-checked=true]").focus(); };

// The runs that the address names, else the first two.
R.follow = () => {
  const named = new URLSearchParams(location.hash.slice(1));
  R.a = R.find(named.get("a")) || R.run.runs[0];
  R.b = R.find(named.get("b")) || R.run.runs.find(r => r !== R.a) || R.a;
  R.show(true);
};

R.start = () => {
  const width = () => document.getElementById("facts").clientWidth - 2 * parseFloat(getComputedStyle(document.getElementById("facts")).paddingLeft);
  if (!R.run.runs.length) return;
  R.width = width();
  R.follow();
  addEventListener("hashchange", R.follow);
  new ResizeObserver(() => { if (width() !== R.width && width() > 0) { R.width = width(); R.draw(); } }).observe(document.getElementById("facts"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", R.draw);
  R.readyAt = performance.now();
  document.documentElement.dataset.ready = "yes";
};
R.start();
