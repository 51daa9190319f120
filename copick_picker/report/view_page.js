"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const MOST_SCORES = 150;
const GAP = 5; // pixels from a pick to its score
const LETTER = 6.4, LINE = 13; // about how wide a digit and how high a line is, in pixels
const BAR_LENGTHS_NM = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
const spot = [...data.spot]; // the point (x, y, z) in Angstrom that the slices go through
const state = { lines: true, scores: true, least: -Infinity, statuses: new Set(Object.keys(data.looks)), objects: new Set(data.objects.map((_, at) => at)) };
const stages = [];

function node(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

// The parts of a mark: name of the element, attributes, and whether it is filled.
function partsOf(shape, x, y, radius) {
  const small = 5;
  const ring = { cx: x, cy: y, r: radius };
  const path = (lines) => ["path", { d: lines }, false];
  if (shape === "circle") return [["circle", ring, false]];
  if (shape === "dashed circle") return [["circle", { ...ring, "stroke-dasharray": "5 4" }, false]];
  if (shape === "square") return [["rect", { x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius }, false]];
  if (shape === "dot") return [["circle", { ...ring, r: 2.5 }, true]];
  if (shape === "cross") return [path(`M${x - small} ${y - small}L${x + small} ${y + small}M${x - small} ${y + small}L${x + small} ${y - small}`)];
  if (shape === "triangle") return [path(`M${x} ${y - small}L${x + small} ${y + small}L${x - small} ${y + small}Z`)];
  return [["circle", ring, false], ["path", { d: `M${x} ${y - 3}L${x + 3} ${y}L${x} ${y + 3}L${x - 3} ${y}Z` }, true]];
}

function mark(svg, look, colours, x, y, radius, words) {
  const group = node("g", {}, svg);
  for (const [name, attributes, filled] of partsOf(look.shape, x, y, radius)) {
    node(name, { ...attributes, class: "shadow", stroke: colours.rim, "stroke-width": 4 }, group);
    node(name, { ...attributes, fill: filled ? colours.colour : "none", stroke: colours.colour, "stroke-width": 1.8 }, group);
  }
  if (words) node("title", {}, group).textContent = words;
  return group;
}

// Where words fit beside a point without covering other words: [left, top], or null.
function freePlace(x, y, width, box, taken, marks) {
  const beside = [[1, -1], [1, 1], [-1, -1], [-1, 1], [0, -1], [0, 1], [1, 0], [-1, 0]];
  for (const blocked of [[...taken, ...marks], taken]) {
    for (const [across, down] of beside) {
      const left = x + GAP * across + width * (across - 1) / 2;
      const top = y + GAP * down + LINE * (down - 1) / 2;
      if (left < 0 || top < 0 || left + width > box.width || top + LINE > box.height) continue;
      if (blocked.every(([l, t, r, b]) => l >= left + width || r <= left || t >= top + LINE || b <= top)) return [left, top];
    }
  }
  return null;
}

// Write scores and numbers beside their points; return how many have no room.
function writeLabels(svg, labels, box, taken) {
  const around = ([x, y]) => [x - GAP, y - GAP, x + GAP, y + GAP];
  let missing = 0;
  for (const label of labels) {
    const [x, y] = label.at, width = LETTER * label.words.length;
    if (x < 0 || y < 0 || x > box.width || y > box.height) continue;
    const place = freePlace(x, y, width, box, taken, labels.filter((other) => other !== label).map((other) => around(other.at)));
    if (!place) { missing += 1; continue; }
    const style = label.colour ? { style: `fill: ${label.colour}` } : {};
    node("text", { x: place[0], y: place[1] + LINE - 3, ...style }, svg).textContent = label.words;
    taken.push([place[0], place[1], place[0] + width, place[1] + LINE]);
  }
  return missing;
}

// Draw a bar of about a fifth of the width, with its length; return the box that it takes.
function scaleBar(svg, box, pixelsPerNm) {
  const fitting = BAR_LENGTHS_NM.filter((length) => length * pixelsPerNm <= 0.25 * box.width);
  const length = fitting.length ? fitting[fitting.length - 1] : 1;
  const x = 10, y = box.height - 10, end = x + length * pixelsPerNm;
  node("line", { x1: x - 1, x2: end + 1, y1: y, y2: y, stroke: "#000", "stroke-width": 6 }, svg);
  node("line", { class: "scale-bar", x1: x, x2: end, y1: y, y2: y, stroke: "#fff", "stroke-width": 4 }, svg);
  const words = node("text", { class: "bar-words", x: (x + end) / 2, y: y - 6, "text-anchor": "middle" }, svg);
  words.textContent = `${length} nm`;
  const half = Math.max((end - x) / 2, 4 * LETTER);
  return [(x + end) / 2 - half - 3, y - 20, (x + end) / 2 + half + 3, box.height];
}

function isShown(pick) {
  return state.statuses.has(pick.s) && state.objects.has(pick.o) && (pick.c === null || pick.c >= state.least);
}

function wordsOf(pick) {
  const score = pick.c === null ? "" : `, score ${pick.c}`;
  const remark = pick.r ? ` (${pick.r})` : "";
  return `${data.objects[pick.o].name}: ${data.looks[pick.s].words}${remark}${score}`;
}

// Draw the filaments near a slice; return their numbers as labels.
function drawLines(svg, view, centre, toX, toY) {
  const labels = [];
  for (const line of data.lines) {
    if (!state.lines || !state.objects.has(line.o)) continue;
    let piece = [];
    const finish = () => {
      if (piece.length > 1) {
        const points = piece.map((point) => `${toX(point)},${toY(point)}`).join(" ");
        const words = `${data.objects[line.o].name}: filament ${line.n}`;
        const drawn = node("polyline", { points, stroke: line.c, "stroke-width": 1.8, fill: "none" }, svg);
        if (line.polar) drawn.setAttribute("marker-end", "url(#arrow)");
        node("title", {}, drawn).textContent = words;
        const middle = piece[Math.floor(piece.length / 2)];
        labels.push({ at: [toX(middle), toY(middle)], words: String(line.n), colour: line.c });
      }
      piece = [];
    };
    for (const point of line.p) {
      if (Math.abs(point[view.across] - centre) <= line.radius) piece.push(point); else finish();
    }
    finish();
  }
  return labels;
}

function arrowHead(svg) {
  const marker = node("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto-start-reverse" }, node("defs", {}, svg));
  node("path", { d: "M0 0L8 4L0 8Z", fill: "context-stroke" }, marker);
}

function draw(stage) {
  const { view, image, svg, caption } = stage;
  const nearest = view.centres.reduce((best, centre, at) =>
    Math.abs(centre - spot[view.across]) < Math.abs(view.centres[best] - spot[view.across]) ? at : best, 0);
  stage.slider.value = nearest;
  if (stage.shown !== nearest) {
    image.src = view.images[nearest];
    for (const [kind, over] of Object.entries(stage.over)) over.src = view[kind][nearest];
  }
  stage.shown = nearest;
  const centre = view.centres[nearest];
  const box = stage.frame.getBoundingClientRect();
  const scale = box.width / view.width;
  const toX = (point) => (point[view.h] - data.low) * scale;
  const toY = (point) => box.height - (point[view.v] - data.low) * scale;
  svg.replaceChildren();
  if (data.lines.length) arrowHead(svg);
  const cut = [];
  for (const pick of data.picks) {
    const away = pick.p[view.across] - centre, radius = data.objects[pick.o].radius;
    if (isShown(pick) && Math.abs(away) <= radius) cut.push([pick, Math.sqrt(radius * radius - away * away) * scale]);
  }
  for (const [pick, radius] of cut) mark(svg, data.looks[pick.s], data.objects[pick.o], toX(pick.p), toY(pick.p), radius, wordsOf(pick));
  const labels = drawLines(svg, view, centre, toX, toY);
  const scored = cut.filter(([pick]) => pick.c !== null);
  if (state.scores && scored.length <= MOST_SCORES) {
    for (const [pick] of scored) labels.push({ at: [toX(pick.p), toY(pick.p)], words: pick.c.toFixed(2) });
  }
  node("line", { class: "cross", x1: toX(spot), x2: toX(spot), y1: 0, y2: box.height }, svg);
  node("line", { class: "cross", x1: 0, x2: box.width, y1: toY(spot), y2: toY(spot) }, svg);
  const missing = writeLabels(svg, labels, box, [scaleBar(svg, box, 10 * scale)]);
  const crowded = state.scores && scored.length > MOST_SCORES ? "; too many scores to show"
    : missing ? `; scores left out for want of room: ${missing}` : "";
  const text = `${view.name} slice at ${"xyz"[view.across]} = ${(centre / 10).toFixed(1)} nm, ` +
    `${(view.thick[nearest] / 10).toFixed(1)} nm thick, ${cut.length} marks${crowded}`;
  caption.textContent = text;
  stage.frame.setAttribute("aria-label", text);
}

function drawAll() { for (const stage of stages) draw(stage); }

function step(view, number) {
  const at = stages[data.views.indexOf(view)].shown + number;
  spot[view.across] = view.centres[Math.min(view.centres.length - 1, Math.max(0, at))];
  drawAll();
}

for (const view of data.views) {
  const figure = document.createElement("figure");
  const frame = document.createElement("div");
  frame.className = "stage";
  frame.setAttribute("role", "img");
  const image = document.createElement("img");
  image.alt = "";
  image.width = view.columns;
  image.height = view.rows;
  const svg = node("svg", { "aria-hidden": "true" });
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = view.centres.length - 1;
  slider.id = `slider-${view.name}`;
  slider.setAttribute("aria-label", `position of the ${view.name} slice along ${"xyz"[view.across]}`);
  const caption = document.createElement("figcaption");
  const over = {};
  for (const kind of ["heats", "labels"]) {
    if (!view[kind].length) continue;
    over[kind] = document.createElement("img");
    over[kind].alt = "";
    over[kind].className = "over";
  }
  frame.append(image, ...Object.values(over), svg);
  figure.append(caption, frame, slider);
  document.getElementById("views").append(figure);
  stages.push({ view, frame, image, over, svg, slider, caption, shown: -1 });
  slider.addEventListener("input", () => { spot[view.across] = view.centres[Number(slider.value)]; drawAll(); });
  frame.addEventListener("wheel", (event) => { event.preventDefault(); step(view, event.deltaY > 0 ? 1 : -1); }, { passive: false });
  frame.addEventListener("click", (event) => {
    const box = frame.getBoundingClientRect();
    const scale = view.width / box.width;
    spot[view.h] = data.low + (event.clientX - box.left) * scale;
    spot[view.v] = data.low + (box.bottom - event.clientY) * scale;
    drawAll();
  });
}

for (const sign of document.querySelectorAll("svg[data-look]")) mark(sign, data.looks[sign.dataset.look], { colour: "#fff", rim: "#000" }, 11, 11, 7, "");
for (const box of document.querySelectorAll("input[data-status]")) {
  box.addEventListener("change", () => { state.statuses[box.checked ? "add" : "delete"](box.dataset.status); drawAll(); });
}
for (const box of document.querySelectorAll("input[data-object]")) {
  box.addEventListener("change", () => { state.objects[box.checked ? "add" : "delete"](Number(box.dataset.object)); drawAll(); });
}
for (const box of document.querySelectorAll("input[data-over]")) {
  box.addEventListener("change", () => {
    for (const stage of stages) stage.over[box.dataset.over].hidden = !box.checked;
  });
}
const lines = document.getElementById("show-lines");
if (lines) lines.addEventListener("change", () => { state.lines = lines.checked; drawAll(); });
const least = document.getElementById("least");
if (least) {
  least.addEventListener("input", () => {
    state.least = Number(least.value) <= Number(least.min) ? -Infinity : Number(least.value);
    document.getElementById("least-shown").textContent = Number(least.value).toFixed(2);
    drawAll();
  });
  const scores = document.getElementById("show-scores");
  scores.addEventListener("change", () => { state.scores = scores.checked; drawAll(); });
}
document.getElementById("contrast").addEventListener("input", (event) => {
  for (const stage of stages) stage.image.style.filter = `contrast(${event.target.value}%)`;
});
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
for (const button of document.querySelectorAll("button[data-pick]")) {
  button.addEventListener("click", () => {
    spot.splice(0, 3, ...data.picks[Number(button.dataset.pick)].p);
    drawAll();
    document.getElementById("views").scrollIntoView({ block: "start" });
  });
}
window.addEventListener("resize", drawAll);
drawAll();
