"use strict";

// The entries, words for them, and the box that shows a picture before and after with a slider between.

// An entry: n name, s status ("failed", "skipped"; done has none), g stage, r reason, f faces, t seconds, b the file
// before, a the files after, d what was left out of it, p pipeline. A file: n name, s small copy, l large copy (else
// the small one), w and h pixels, u address of the file itself, v whether browsers show it, e what is wrong with it.
const entries = JSON.parse(document.getElementById("data").textContent).entries;
const fold = (text) => text.normalize("NFC").toLowerCase();
for (const entry of entries) {
  entry.a ??= [];
  entry.words = fold(entry.n);
  entry.at = 50;
}
const get = (id) => document.getElementById(id);

const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

// -- Words

const facesOf = (entry) => (entry.f === undefined ? "" : entry.f ? count(entry.f, "face") : "no face");
const howEnded = (entry) => {
  if (entry.s === "failed") return `failed: ${entry.g ? entry.g + ": " : ""}${entry.r || ""}`;
  if (entry.s === "skipped") return `left out${entry.g ? " by " + entry.g : ""}: ${entry.r || ""}`;
  return "";
};
const problems = (entry) => [
  ...(entry.b && entry.b.e ? [`photo ${entry.b.e}`] : []),
  ...entry.a.filter((file) => file.e).map((file) => `result ${file.e}`),
];
const seconds = (entry) => `${(entry.t || 0).toFixed(2)} s`;

// -- The slider

const picture = (address, spare, alt, kind) => {
  const image = make("img", kind);
  image.alt = alt;
  image.draggable = false;
  image.decoding = "async";
  image.onerror = () => {
    if (spare && image.getAttribute("src") !== spare) image.src = spare;
    else image.replaceWith(make("p", "empty", `${kind}: the picture is not here`));
  };
  image.src = address;
  return image;
};

const slider = (entry, box) => {
  const range = make("input");
  range.type = "range";
  range.min = 0;
  range.max = 100;
  const move = (value) => {
    entry.at = Math.min(100, Math.max(0, value));
    range.value = Math.round(entry.at);
    range.setAttribute("aria-valuetext", `${range.value} % before, ${100 - range.value} % after`);
    box.style.setProperty("--at", `${entry.at}%`);
  };
  range.setAttribute("aria-label", `Before and after of ${entry.n}`);
  range.addEventListener("input", () => move(Number(range.value)));
  const follow = (event) => {
    const area = box.getBoundingClientRect();
    move((100 * (event.clientX - area.left)) / area.width);
  };
  // A finger that goes up or down scrolls the page; only one that goes sideways, or taps, moves the slider.
  let pointer = null, from = 0, isSliding = false;
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    [pointer, from, isSliding] = [event.pointerId, event.clientX, event.pointerType !== "touch"];
    if (!isSliding) return;
    event.preventDefault();
    box.setPointerCapture(pointer);
    range.focus({ preventScroll: true });
    follow(event);
  });
  box.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    isSliding ||= Math.abs(event.clientX - from) > 6;
    if (isSliding) follow(event);
  });
  box.addEventListener("pointerup", (event) => {
    if (event.pointerId === pointer) follow(event);
    pointer = null;
  });
  box.addEventListener("pointercancel", () => (pointer = null));
  move(entry.at);
  return range;
};

// Return the picture before and the one after in one box, or what there is of them; `address` chooses the size.
const pair = (entry, result, address) => {
  const box = make("div", "pair");
  const before = entry.b && entry.b.s, after = result && result.s;
  if (after) box.append(picture(address(result), result.l || result.s, `${entry.n}, after`, "after"));
  if (before) box.append(picture(address(entry.b), entry.b.l || entry.b.s, `${entry.n}, before`, "before"));
  if (!before && !after) box.append(make("p", "empty", problems(entry)[0] || "no picture"));
  if (before && after) {
    const grip = make("span", "grip", "↔");
    grip.setAttribute("aria-hidden", "true");
    box.classList.add("slides");
    box.append(slider(entry, box), grip);
  }
  for (const [there, side, text] of [[before, "left", "before"], [after, "right", "after"]]) {
    if (!there || (text === "after" && !entry.b)) continue;
    const tag = make("span", `tag ${side}`, text);
    tag.setAttribute("aria-hidden", "true");
    box.append(tag);
  }
  return box;
};
