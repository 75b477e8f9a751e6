// Facts in which the runs differ, in words.
R.cell = (row, text, kind) => {
  const c = document.createElement("td");
  c.className = kind || "";
  c.textContent = text;
  row.append(c);
  return c;
};

// What B is against A: by how much, and whether that is better.
R.change = (fact, a, b) => {
  if (!a.n || !b.n) return ["", ""];
  const less = b.n[1] < a.n[0], more = b.n[0] > a.n[1], better = less || more ? { lower: less, higher: more }[fact.better] : undefined;
  let by = less ? "less" : more ? "more" : "perhaps the same";
  if (a.n[0] === a.n[1] && b.n[0] === b.n[1] && a.n[0] > 0 && b.n[0] > 0) {
    const ratio = b.n[0] / a.n[0];
    by = ratio >= 2 ? "× " + R.short(ratio) : ratio <= 0.5 ? "÷ " + R.short(1 / ratio) : (ratio > 1 ? "+" : "−") + R.short(Math.abs(ratio - 1) * 100) + " %";
  }
  return [by + (better === undefined ? "" : better ? " ▲ better" : " ▼ worse"), better === undefined ? "" : better ? "holds" : "violated"];
};

R.factRow = (fact, a, b) => {
  const row = document.createElement("tr"), [words, tone] = R.change(fact, a, b);
  const name = R.cell(row, "", "fact"), code = document.createElement("code");
  code.textContent = fact.name;
  name.append(code);
  if (fact.meaning) {
    const about = document.createElement("span");
    about.className = "soft";
    about.textContent = fact.meaning;
    name.append(about);
  }
  R.cell(row, a.text, "num");
  R.cell(row, b.text, "num");
  R.cell(row, words, "change" + (tone ? " answer " + tone : ""));
  return row;
};

R.showFacts = () => {
  const none = { text: "not measured" }, main = [], rest = [];
  R.run.facts.forEach((fact, i) => {
    const a = R.a.facts[i] || none, b = R.b.facts[i] || none;
    if (a.text !== b.text) (fact.main && R.a.facts[i] && R.b.facts[i] ? main : rest).push(R.factRow(fact, a, b));
  });
  document.getElementById("main").replaceChildren(...main);
  document.getElementById("rest").replaceChildren(...rest);
  document.getElementById("others").hidden = rest.length === 0;
  document.getElementById("more").textContent = rest.length + (rest.length === 1 ? " more fact differs" : " more facts differ");
};
