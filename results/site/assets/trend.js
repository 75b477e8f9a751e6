const panels = [...document.querySelectorAll("figure")], rest = document.getElementById("rest");
F.watch(() => {
  F.show(panels, "fact", "facts");
  if (rest && F.ask.value) rest.open = true;
});
document.documentElement.dataset.ready = "yes";
