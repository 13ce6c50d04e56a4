// The grid of all pictures, of which only the cards in sight are in the page; filters and search.

const grid = get("grid");
let shown = entries;

// -- The grid: only the cards in sight are there

const GAP = 14, cards = new Map();
let columns = 1, width = 0, height = 0;

const card = (position) => {
  const entry = shown[position], item = make("li", "card"), text = make("div", "text");
  item.setAttribute("aria-setsize", shown.length);
  item.setAttribute("aria-posinset", position + 1);
  const name = make("button", "name", entry.n.slice(entry.n.lastIndexOf("/") + 1));
  name.type = "button";
  name.title = entry.n;
  name.setAttribute("aria-haspopup", "dialog");
  name.addEventListener("click", () => openViewer(shown.indexOf(entry)));
  const results = entry.a.length > 1 ? count(entry.a.length, "result") : "";
  text.append(name, make("p", "meta", [facesOf(entry), results, seconds(entry)].filter(Boolean).join(" · ")));
  const why = howEnded(entry) || problems(entry).join("; ") || (entry.m || []).join("; ");
  if (why) {
    text.append(make("p", `why ${entry.s || ""}`, why));
    text.lastChild.title = why;
  }
  item.append(pair(entry, entry.a[0], (file) => file.s), text);
  return item;
};

const layout = () => {
  const whole = grid.clientWidth, least = whole < 560 ? 150 : 240;
  if (!whole) return;
  columns = Math.max(1, Math.floor((whole + GAP) / (least + GAP)));
  width = (whole - GAP * (columns - 1)) / columns;
  height = width * 0.75 + 6.1 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  grid.style.height = `${Math.ceil(shown.length / columns) * (height + GAP)}px`;
  for (const [position, item] of cards) place(position, item);
  render();
};

const place = (position, item) => {
  const left = (position % columns) * (width + GAP), top = Math.floor(position / columns) * (height + GAP);
  const transform = `translate(${left}px, ${top}px)`;
  Object.assign(item.style, { width: `${width}px`, height: `${height}px`, transform });
};

const render = () => {
  const above = -grid.getBoundingClientRect().top, row = height + GAP;
  const first = Math.max(0, Math.floor(above / row) - 1) * columns;
  const last = Math.min(shown.length, (Math.ceil((above + window.innerHeight) / row) + 1) * columns);
  const wanted = new Set();
  for (let position = first; position < last; position++) wanted.add(position);
  // Who goes on by keyboard finds the place again: the card with the focus stays, and the ones to go on to are there.
  const focused = [...cards.keys()].find((position) => cards.get(position).contains(document.activeElement));
  if (focused !== undefined) {
    for (const near of [focused - 1, focused, focused + 1]) if (shown[near]) wanted.add(near);
  }
  for (const [position, item] of cards) {
    if (wanted.has(position)) continue;
    item.remove();
    cards.delete(position);
  }
  let previous = null;
  for (const position of [...wanted].sort((one, other) => one - other)) {
    if (!cards.has(position)) {
      cards.set(position, card(position));
      place(position, cards.get(position));
    }
    const item = cards.get(position), next = previous ? previous.nextSibling : grid.firstChild;
    if (item !== next) grid.insertBefore(item, next);
    previous = item;
  }
};

const renew = () => {
  grid.replaceChildren();
  cards.clear();
  layout();
};

let isDue = false;
const renderSoon = () => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    render();
  });
};

// -- Filters and search

const KINDS = [
  ["all", "All", () => true],
  ["failed", "Failed", (entry) => entry.s === "failed"],
  ["skipped", "Left out", (entry) => entry.s === "skipped"],
  ["no-face", "No face", (entry) => entry.f === 0],
  ["several", "Several faces", (entry) => entry.f > 1],
];
let kind = "all";

const buildKinds = () => {
  const hasFaces = entries.some((entry) => entry.f !== undefined);
  for (const [name, words, test] of KINDS) {
    if (!hasFaces && (name === "no-face" || name === "several")) continue;
    const label = make("label", "kind"), radio = make("input");
    Object.assign(radio, { type: "radio", name: "kind", value: name, checked: name === kind });
    radio.addEventListener("change", () => {
      kind = name;
      filter();
    });
    label.append(radio, make("span", "", `${words} ${entries.filter(test).length.toLocaleString("en")}`));
    get("kinds").append(label);
  }
};

const buildFolders = () => {
  const folders = new Map();
  for (const entry of entries) {
    const parts = entry.n.split("/").slice(0, -1);
    parts.forEach((_, index) => {
      const folder = parts.slice(0, index + 1).join("/") + "/";
      folders.set(folder, (folders.get(folder) || 0) + 1);
    });
  }
  if (!folders.size) return;
  const add = (value, text) => {
    const choice = make("option", "", text);
    choice.value = value;
    get("folder").append(choice);
  };
  add("", "all folders");
  const order = new Intl.Collator("en", { numeric: true });
  for (const folder of [...folders.keys()].sort(order.compare)) add(folder, `${folder} (${folders.get(folder)})`);
  get("by-folder").hidden = false;
};

const filter = () => {
  const test = KINDS.find(([name]) => name === kind)[2];
  const folder = get("folder").value, words = fold(get("words").value).split(/\s+/).filter(Boolean);
  shown = entries.filter(
    (entry) => test(entry) && entry.n.startsWith(folder) && words.every((word) => entry.words.includes(word)),
  );
  const part = shown.length === entries.length ? "" : `${shown.length.toLocaleString("en")} of `;
  get("count").textContent = part + count(entries.length, "picture");
  get("none").hidden = shown.length > 0;
  const top = get("pictures").offsetTop;
  if (window.scrollY > top) window.scrollTo(0, top);
  renew();
};

const showAll = () => {
  kind = "all";
  get("words").value = get("folder").value = "";
  document.querySelector('#kinds input[value="all"]').checked = true;
  filter();
  get("words").focus();
};
