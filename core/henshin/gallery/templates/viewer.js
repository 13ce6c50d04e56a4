// One picture at a time, in a dialog.

const viewer = get("viewer"), stage = get("stage");

let current = 0, isFull = false;

const openViewer = (position) => {
  isFull = false;
  show(position);
  if (!viewer.open) viewer.showModal();
  get("viewer-name").focus();
};

const show = (position) => {
  current = position;
  const entry = shown[position];
  get("viewer-name").textContent = entry.n;
  get("viewer-place").textContent = `${(position + 1).toLocaleString("en")} of ${count(shown.length, "picture")}`;
  // A disabled button would lose the focus, and the arrow keys with it.
  get("previous").setAttribute("aria-disabled", position === 0);
  get("next").setAttribute("aria-disabled", position === shown.length - 1);
  get("by-result").hidden = entry.a.length < 2;
  const choice = (file, index) => new Option(`${index + 1} of ${entry.a.length}: ${file.n}`, index);
  get("result").replaceChildren(...entry.a.map(choice));
  showResult();
};

const showResult = () => {
  const entry = shown[current], result = entry.a[Number(get("result").value) || 0];
  const files = [entry.b, result].filter(Boolean), viewable = files.filter((file) => file.v && file.u);
  get("full").hidden = !viewable.length;
  get("full").setAttribute("aria-pressed", isFull && viewable.length > 0);
  const address = (file) => (isFull && file.v && file.u) || file.l || file.s;
  const box = pair(entry, result, address);
  if (isFull && viewable.length) {
    const side = (name) => `${Math.max(...viewable.map((file) => file[name]))}px`;
    Object.assign(box.style, { width: side("w"), height: side("h") });
  }
  stage.replaceChildren(box);
  stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
  get("facts").replaceChildren(...facts(entry, result));
};

const facts = (entry, result) => {
  const size = (file) => (file && file.w ? `${file.w} × ${file.h}` : "");
  const rows = [
    ["ended", howEnded(entry) || "done"],
    ["faces", facesOf(entry)],
    ["time", seconds(entry)],
    ["size", [size(entry.b), size(result)].filter(Boolean).join(" → ")],
    ["left out", (entry.d || []).join("; ")],
    ["remarks", (entry.m || []).join("; ")],
    ["pipeline", entry.p || ""],
    ["missing", problems(entry).join("; ")],
  ].filter(([, text]) => text);
  const colour = (word) => (word === "ended" ? entry.s || "" : "");
  const cells = rows.flatMap(([word, text]) => [make("dt", "", word), make("dd", colour(word), text)]);
  const links = [["photo", entry.b], ["result", result]].filter(([, file]) => file && file.u);
  if (links.length) cells.push(make("dt", "", "files"), make("dd"));
  for (const [word, file] of links) {
    const link = make("a", "", `${word} (${file.n})`);
    Object.assign(link, { href: file.u, target: "_blank", rel: "noopener" });
    cells.at(-1).append(link, " ");
  }
  return cells;
};

const step = (by) => {
  const position = current + by;
  if (position >= 0 && position < shown.length) show(position);
};

const closed = () => {
  stage.replaceChildren();
  const row = Math.floor(current / columns) * (height + GAP) + grid.getBoundingClientRect().top;
  if (row < get("tools").offsetHeight || row + height > window.innerHeight) {
    window.scrollBy(0, row - get("tools").offsetHeight - GAP);
  }
  cards.get(current)?.remove(); // it is made anew, with the slider where it is now
  cards.delete(current);
  render();
  cards.get(current)?.querySelector(".name").focus({ preventScroll: true });
};

viewer.addEventListener("close", closed);
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
viewer.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
  event.preventDefault();
  step(by);
});
get("close").addEventListener("click", () => viewer.close());
get("previous").addEventListener("click", () => step(-1));
get("next").addEventListener("click", () => step(1));
get("result").addEventListener("change", showResult);
get("full").addEventListener("click", () => {
  isFull = !isFull;
  showResult();
});

// The page begins.

get("folder").addEventListener("change", filter);
get("words").addEventListener("input", filter);
get("clear").addEventListener("click", showAll);

buildKinds();
buildFolders();
get("tools").hidden = grid.hidden = false;
filter();
window.addEventListener("scroll", renderSoon, { passive: true });
new ResizeObserver(layout).observe(grid.parentElement);
