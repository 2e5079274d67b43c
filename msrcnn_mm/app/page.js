// Sends an image to the model once, then shows, hides and explains its masks without the server.

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
// Okabe and Ito's palette, which colour-blind readers can tell apart; further classes get hues.
const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2"];
const picture = byId("picture");
const threshold = byId("threshold");
const numbers = byId("numbers");
const GONE = "The server does not answer: is python -m msrcnn_mm app still running?";
const AREA = "area in pixels"; // the number that is none of [0, 1]

let about = null; // what the server says of the model
let found; // what it finds in the image
let paths = []; // the mask of each detection, in the order of found.rows
let areas = [];
let chosen = null; // the name of the score, also for the next image
let running = null; // aborts the request that is under way

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function colour(place) {
  return COLOURS[place] ?? `hsl(${(place * 137.5) % 360} 75% 55%)`;
}

function placeOf(row) {
  return about.categories.findIndex((category) => category.id === row.category_id);
}

function swatch(place) {
  const made = element("i", { className: "class swatch" });
  made.style.setProperty("--c", colour(place));
  return made;
}

// ---- an image

const ready = load();

async function load() {
  try {
    about = await (await fetch("about")).json();
  } catch {
    fail(GONE);
    return false;
  }
  byId("model").textContent = about.model;
  document.title = `${about.model}: masks and their scores`;
  return true;
}

async function predict(files) {
  if (!files.length) {
    fail("That was not a file: drop an image");
    return;
  }
  const [file] = files;
  const others = files.length > 1 ? [`One image at a time: ${file.name} is the first of ${files.length}.`] : [];
  running?.abort();
  const own = (running = new AbortController());
  fail("");
  byId("notes").hidden = true;
  select(null);
  if (!(await ready)) return;
  if (file.size > about.maxBytes) {
    fail(`${file.name} ${about.tooLarge}`);
    return;
  }
  const started = performance.now();
  const tick = () => {
    const seconds = Math.floor((performance.now() - started) / 1000);
    byId("doing").textContent = `${file.name}: the model runs, ${seconds} s`;
  };
  tick();
  const clock = setInterval(tick, 250);
  waiting(true);
  try {
    const answer = await ask(file, own.signal);
    if (answer.error) fail(answer.error);
    else show(answer, others);
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  } finally {
    clearInterval(clock);
    if (running === own) waiting(false);
  }
}

async function ask(file, signal) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error(`${file.name} cannot be read: drop a file, not a folder`);
  }
  let response;
  try {
    const address = `find?name=${encodeURIComponent(file.name)}`;
    response = await fetch(address, { method: "POST", body: file, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(GONE);
  }
  return response.json();
}

function waiting(is) {
  if (!is) running = null;
  document.body.classList.toggle("waiting", is);
  byId("busy").hidden = !is;
}

function fail(message) {
  if (message) waiting(false);
  byId("error").hidden = !message;
  byId("error").textContent = message;
}

function show(answer, others) {
  found = answer;
  areas = found.numbers.find(([label]) => label === AREA)[1];
  byId("ask").replaceChildren(element("b", { textContent: found.name }), ": drop or choose another");
  byId("drop").classList.add("small");
  const notes = [...others, ...found.notes];
  byId("notes").replaceChildren(...notes.map((textContent) => element("li", { textContent })));
  byId("notes").hidden = !notes.length;
  picture.setAttribute("viewBox", `0 0 ${found.width} ${found.height}`);
  const image = picture.querySelector("image");
  for (const [name, value] of Object.entries({ href: found.picture, width: found.width, height: found.height })) {
    image.setAttribute(name, value);
  }
  paths = found.rows.map(mask);
  // small masks last, so that the pointer reaches those on larger ones
  const order = [...paths.keys()].sort((one, other) => areas[other] - areas[one]);
  byId("masks").replaceChildren(...order.map((index) => paths[index]));
  if (!(chosen in found.scores)) chosen = found.score;
  byId("scores").replaceChildren(byId("scores").firstElementChild, ...Object.entries(found.scores).map(choice));
  for (const id of ["picture", "hint", "controls"]) byId(id).removeAttribute("hidden");
  select(null);
  update();
}

function mask(row, index) {
  const path = document.createElementNS(SVG, "path");
  const rings = found.outlines[index].map((points) => `M${points.join(" ")}Z`);
  path.setAttribute("d", rings.join(""));
  path.setAttribute("role", "option");
  path.id = `mask-${index}`;
  path.style.setProperty("--c", colour(placeOf(row)));
  return path;
}

function choice([key, score]) {
  const radio = element("input", { type: "radio", name: "score", value: key, checked: key === chosen });
  radio.addEventListener("change", () => {
    chosen = key;
    update();
  });
  const dot = element("i", { className: `swatch ${key}` });
  return element("label", { title: score.meaning }, radio, dot, score.name);
}

// ---- the selection

function isShown(index) {
  return areas[index] > 0 && found.scores[chosen].values[index] >= threshold.valueAsNumber;
}

function shownMasks() {
  return [...paths.keys()].filter(isShown);
}

function update() {
  byId("value").textContent = threshold.valueAsNumber.toFixed(2);
  if (!found) return;
  const { values, name, meaning } = found.scores[chosen];
  const counts = new Map(); // place of a class -> shown, all
  paths.forEach((path, index) => {
    const is = isShown(index);
    path.classList.toggle("off", !is);
    const place = placeOf(found.rows[index]);
    const [shown, all] = counts.get(place) ?? [0, 0];
    counts.set(place, [shown + is, all + 1]);
    path.setAttribute("aria-label", `${about.categories[place].name}, ${name} ${values[index].toFixed(3)}`);
  });
  const selected = picture.getAttribute("aria-activedescendant");
  if (selected && byId(selected)?.classList.contains("off")) select(null);
  byId("meaning").textContent = `${name}: ${meaning}`;
  byId("marks").setAttribute("class", chosen);
  byId("marks").firstElementChild.setAttribute("d", values.map((value) => `M${value} 0V1`).join(""));
  const shown = shownMasks().length;
  byId("count").textContent = paths.length ? `${shown} of ${paths.length} masks shown` : "The model finds no masks in this image";
  const lines = [...counts].sort(([one], [other]) => one - other).map(([place, pair]) =>
    element("tr", {},
      element("th", { scope: "row" }, swatch(place), about.categories[place].name),
      ...pair.map((textContent) => element("td", { className: "n", textContent }))));
  byId("classes").tBodies[0].replaceChildren(...lines);
  byId("classes").hidden = !lines.length;
  byId("save-shown").textContent = `the ${shown} masks shown`;
  byId("save-all").textContent = `all ${paths.length} masks`;
}

function save(rows, suffix) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(rows)], { type: "application/json" }));
  element("a", { href: address, download: `${found.name.replace(/\.[^.]*$/, "")}_${suffix}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// ---- the numbers of one mask

function select(index, x, y) {
  for (const path of picture.querySelectorAll('[aria-selected="true"]')) path.removeAttribute("aria-selected");
  numbers.hidden = index === null;
  if (index === null) {
    picture.removeAttribute("aria-activedescendant");
    return;
  }
  const path = paths[index];
  path.setAttribute("aria-selected", "true");
  picture.setAttribute("aria-activedescendant", path.id);
  const place = placeOf(found.rows[index]);
  const lines = found.numbers.filter(([, values]) => values[index] !== null).map(([label, values]) =>
    element("tr", { className: label === found.scores[chosen].name ? "chosen" : "" },
      element("th", { scope: "row", textContent: label }),
      element("td", { textContent: label === AREA ? values[index].toLocaleString("en") : values[index].toFixed(3) })));
  numbers.replaceChildren(
    element("b", {}, swatch(place), about.categories[place].name),
    element("table", {}, element("tbody", {}, ...lines)));
  const { right, top } = path.getBoundingClientRect();
  const { width, height } = numbers.getBoundingClientRect();
  const within = (value, size, whole) => Math.max(8, Math.min(value, whole - size - 8));
  numbers.style.left = `${within((x ?? right) + 14, width, innerWidth)}px`;
  numbers.style.top = `${within((y ?? top) + 14, height, innerHeight)}px`;
}

function step(key) {
  const { values } = found.scores[chosen];
  const order = shownMasks().sort((one, other) => values[other] - values[one]);
  if (!order.length) return;
  const at = order.findIndex((index) => paths[index].id === picture.getAttribute("aria-activedescendant"));
  const last = order.length - 1;
  const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[key];
  select(order[next < 0 ? last : next > last ? 0 : next]);
}

// ---- events

byId("file").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = ""; // so that the same file can be chosen again
  if (files.length) predict(files);
});
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    const leaves = name === "drop" || (name === "dragleave" && !event.relatedTarget);
    document.body.classList.toggle("dragging", !leaves);
    if (name === "drop") predict([...event.dataTransfer.files]);
  });
}
threshold.addEventListener("input", update);
byId("save-shown").addEventListener("click", () => save(found.rows.filter((_, index) => isShown(index)), "shown"));
byId("save-all").addEventListener("click", () => save(found.rows, "all"));
const maskAt = (event) => paths.indexOf(event.target);
for (const name of ["pointermove", "pointerdown"]) {
  picture.addEventListener(name, (event) => {
    const index = maskAt(event);
    select(index < 0 ? null : index, event.clientX, event.clientY);
  });
}
picture.addEventListener("pointerleave", (event) => {
  if (event.pointerType === "mouse") select(null);
});
picture.addEventListener("blur", () => select(null));
picture.addEventListener("keydown", (event) => {
  if (event.key === "Escape") select(null);
  else if (/^(Arrow|Home|End)/.test(event.key)) {
    event.preventDefault();
    step(event.key);
  }
});

update();
