// Buttons of which one is chosen.
R.choice = (id, names, chosen, choose) => {
  const host = document.getElementById(id);
  if (!host) return;
  if (names.length < 2 && id !== "tail-of") { host.append(names.map(n => n[1]).join("")); return; }
  const buttons = names.map(([value, label]) => {
    const b = document.createElement("button");
    b.type = "button";
    b.textContent = label;
    b.setAttribute("role", "radio");
    b.addEventListener("click", () => { mark(value); choose(value); });
    host.append(b);
    return [value, b];
  });
  const mark = value => buttons.forEach(([v, b]) => { b.setAttribute("aria-checked", v === value); b.tabIndex = v === value ? 0 : -1; });
  host.addEventListener("keydown", e => {
    const at = buttons.findIndex(([, b]) => b === document.activeElement), by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (at < 0 || !by) return;
    const next = buttons[(at + by + buttons.length) % buttons.length][1];
    e.preventDefault();
    e.stopPropagation();
    next.focus();
    next.click();
  });
  mark(chosen);
};
