// The filter, and two runs that are ticked.
const runs = [...document.querySelectorAll(".run")], bar = document.getElementById("chosen"), ticked = [];
F.watch(() => F.show(runs, "run", "runs"));
const showTicked = () => {
  for (const r of runs) {
    const box = r.querySelector("input");
    if (!box) continue;
    box.checked = ticked.includes(box.value);
    r.classList.toggle("ticked", box.checked);
  }
  bar.hidden = ticked.length === 0;
  const link = document.getElementById("compare");
  link.hidden = ticked.length < 2;
  document.getElementById("one").hidden = ticked.length !== 1;
  if (ticked.length === 2) link.href = "compare.html#a=" + encodeURIComponent(ticked[0]) + "&b=" + encodeURIComponent(ticked[1]);
};
for (const r of runs) {
  const box = r.querySelector("input");
  if (!box) continue;
  box.closest(".tick").hidden = false;
  box.addEventListener("change", () => {
    const at = ticked.indexOf(box.value);
    if (at >= 0) ticked.splice(at, 1);
    if (box.checked) ticked.push(box.value);
    if (ticked.length > 2) ticked.shift(); // the one that was ticked first
    showTicked();
  });
}
document.getElementById("none").addEventListener("click", () => { ticked.length = 0; showTicked(); });
addEventListener("pageshow", showTicked); // a browser that comes back may have boxes ticked
showTicked();
document.documentElement.dataset.ready = "yes";
