import { showOptions } from "/static/options.js";
import "/static/slider.js";

const at = (id) => document.getElementById(id);
const make = (tag, values = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
};

let form = null; // the pipeline that is chosen
let values = {}; // its changed options
let photos = []; // { file, row, message }
let job = null; // the id of the job that runs, or ran last
let limits = { photo_bytes: Infinity, photos: Infinity };

async function ask(method, path, body, type = "application/json") {
  const headers = body === undefined ? {} : { "Content-Type": type };
  const answer = await fetch(path, { method, headers, body }).catch(() => null);
  if (answer === null) throw new Error("the server does not answer; is henshin ui still running?");
  if (answer.status === 204) return null;
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(data.error ?? data.detail?.[0]?.msg ?? `${answer.status} ${answer.statusText}`);
  return data;
}

const say = (text) => (at("status").textContent = text);
const complain = (text) => (at("error").textContent = text);

async function choose(name) {
  complain("");
  form = await ask("GET", `/api/pipelines/${encodeURIComponent(name)}`);
  at("description").textContent = form.description;
  values = showOptions(at("options"), form.stages);
  at("models").replaceChildren(
    ...form.models.map((one) => make("li", { textContent: `${one.name}: ${one.licence}` })));
  if (!form.models.length) at("models").append(make("li", { textContent: "no model" }));
  at("photos-section").hidden = !form.takes_photos;
}

function add(files) {
  complain("");
  for (const file of files) {
    if (photos.length >= limits.photos) return complain(`At most ${limits.photos} photos in a run.`);
    const message = make("span", { textContent: file.name });
    const image = make("img", { alt: "", src: URL.createObjectURL(file) });
    image.addEventListener("error", () => image.remove());
    const remove = make("button", { type: "button", textContent: "×" });
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    const photo = { file, message, row: make("li", {}, image, message, remove) };
    remove.addEventListener("click", () => {
      URL.revokeObjectURL(image.src);
      photos = photos.filter((one) => one !== photo);
      photo.row.remove();
    });
    if (file.size > limits.photo_bytes) refuse(photo, `larger than ${Math.round(limits.photo_bytes / 1048576)} MB`);
    photos.push(photo);
    at("photos").append(photo.row);
  }
}

function refuse(photo, reason) {
  photo.refused = true;
  photo.message.textContent = `${photo.file.name}: ${reason}`;
  photo.message.className = "wrong";
}

async function send() {
  const names = new Map();
  const ready = photos.filter((one) => !one.refused);
  for (const [index, photo] of ready.entries()) {
    say(`Sending photo ${index + 1} of ${ready.length}`);
    try {
      const path = `/api/jobs/${job}/photos?name=${encodeURIComponent(photo.file.name)}`;
      const sent = await ask("PUT", path, photo.file, "application/octet-stream");
      names.set(sent.number, sent.name);
    } catch (error) {
      refuse(photo, error.message);
    }
  }
  return names;
}

async function run() {
  complain("");
  busy(true);
  at("results").replaceChildren();
  at("notes").replaceChildren();
  at("notes-box").hidden = true;
  at("zip").hidden = true;
  try {
    if (job !== null) await ask("DELETE", `/api/jobs/${job}`).catch(() => null);
    job = (await ask("POST", "/api/jobs")).id;
    const names = form.takes_photos ? await send() : new Map();
    await ask("POST", `/api/jobs/${job}/run`, JSON.stringify({ pipeline: at("pipeline").value, options: values }));
    follow(names);
  } catch (error) {
    say("");
    complain(error.message);
    busy(false);
  }
}

function follow(names) {
  const events = new EventSource(`/api/jobs/${job}/events`);
  let total = null;
  const on = {
    waiting: () => say("Waiting for another run to end"),
    start: (event) => {
      total = event.total;
      at("progress").max = total ?? 1;
      say("Running");
    },
    picture: (event) => {
      if (total === null) at("progress").removeAttribute("value");
      else at("progress").value = event.done;
      say(total === null ? `${event.done} done` : `${event.done} of ${total}`);
      show(event, names.get(event.number) ?? `picture ${event.done}`);
    },
    note: (event) => {
      at("notes-box").hidden = false;
      at("notes").append(make("li", { textContent: event.text }));
    },
    summary: (event) => {
      if (!form.takes_photos) event.results.forEach((name) => at("results").append(plain(name, name)));
      if (event.results.length) {
        at("zip").href = `/api/jobs/${job}/zip`;
        at("zip").hidden = false;
      }
    },
    end: (event) => {
      events.close();
      say({ done: "Done", cancelled: "Cancelled", failed: "" }[event.state]);
      if (event.reason) complain(event.reason);
      busy(false);
    },
  };
  events.onmessage = (message) => {
    const event = JSON.parse(message.data);
    on[event.kind]?.(event);
  };
  events.onerror = () => {
    events.close();
    complain("the server does not answer any more");
    busy(false);
  };
}

function show(event, name) {
  const reason = make("span", { className: "reason", textContent: event.reason ?? "" });
  if (!event.results.length) {
    const figure = make("figure", { className: event.status });
    if (event.number !== null) figure.append(make("img", { src: photo(event.number), alt: name, loading: "lazy" }));
    figure.append(make("figcaption", {}, make("span", { textContent: `${name}: ${event.status}` }), reason));
    at("results").append(figure);
  }
  for (const result of event.results) {
    const slider = document.createElement("before-after");
    slider.setAttribute("before", photo(event.number));
    slider.setAttribute("after", `/api/jobs/${job}/shown/${encodeURIComponent(result)}`);
    slider.setAttribute("label", name);
    const single = event.results.length === 1;
    const shown = single ? slider : make("img", { src: slider.getAttribute("after"), alt: `${name}, result` });
    at("results").append(make("figure", {}, shown, caption(name, result, reason.cloneNode(true))));
  }
}

const photo = (number) => `/api/jobs/${job}/photos/${number}`;

const plain = (name, result) =>
  make("figure", {},
    make("img", { src: `/api/jobs/${job}/shown/${encodeURIComponent(result)}`, alt: name, loading: "lazy" }),
    caption(name, result, ""));

function caption(name, result, reason) {
  const save = make("a", { href: `/api/jobs/${job}/results/${encodeURIComponent(result)}`, textContent: "Download" });
  save.setAttribute("aria-label", `Download the result of ${name}`);
  return make("figcaption", {}, make("span", { textContent: name }), reason, save);
}

function busy(is) {
  at("run").disabled = is;
  at("cancel").hidden = !is;
  at("cancel").disabled = false;
  at("progress").hidden = !is;
  at("progress").value = 0;
}

async function listExamples() {
  for (const name of await ask("GET", "/api/examples")) {
    const path = `/api/examples/${encodeURIComponent(name)}`;
    const button = make("button", { type: "button" }, make("img", { src: path, alt: `Example ${name}` }));
    button.addEventListener("click", async () => {
      const data = await (await fetch(path)).blob();
      add([new File([data], name, { type: data.type })]);
    });
    at("examples").append(button);
  }
}

async function openCamera() {
  complain("");
  try {
    at("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    at("camera").showModal();
  } catch (error) {
    complain(`No picture from a camera: ${error.message}`);
  }
}

function closeCamera() {
  at("video").srcObject?.getTracks().forEach((track) => track.stop());
  at("video").srcObject = null;
  at("camera").close();
}

function snap() {
  const video = at("video");
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((data) => {
    if (data) add([new File([data], `camera-${photos.length + 1}.jpg`, { type: "image/jpeg" })]);
    closeCamera();
  }, "image/jpeg", 0.95);
}

function listen() {
  at("pipeline").addEventListener("change", () => choose(at("pipeline").value).catch((error) => complain(error.message)));
  at("files").addEventListener("change", () => {
    add(at("files").files);
    at("files").value = "";
  });
  at("run").addEventListener("click", run);
  at("options").addEventListener("submit", (event) => event.preventDefault());
  at("cancel").addEventListener("click", () => {
    at("cancel").disabled = true;
    say("Cancelling: pictures that have begun are finished");
    ask("POST", `/api/jobs/${job}/cancel`).catch((error) => complain(error.message));
  });
  at("webcam").addEventListener("click", openCamera);
  at("snap").addEventListener("click", snap);
  at("close-camera").addEventListener("click", closeCamera);
  at("camera").addEventListener("cancel", closeCamera);
  for (const kind of ["dragover", "drop", "dragleave"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // a photo dropped beside the box must not replace the page
      at("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer) add(event.dataTransfer.files);
    });
  }
  window.addEventListener("pagehide", () => job && navigator.sendBeacon?.(`/api/jobs/${job}/cancel`));
}

async function start() {
  listen();
  const offer = await ask("GET", "/api/pipelines");
  limits = offer;
  at("pipeline").replaceChildren(...offer.pipelines.map((name) => make("option", { value: name, textContent: name })));
  await choose(offer.pipelines[0]);
  await listExamples();
}

start().catch((error) => complain(error.message));
