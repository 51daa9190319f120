"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const MOST_SCORES = 150;
const spot = [...data.spot]; // the point (x, y, z) in Angstrom that the slices go through
const state = { lines: true, scores: true, least: -Infinity, statuses: new Set(Object.keys(data.looks)), objects: new Set(data.objects.map((_, at) => at)) };
const stages = [];

function node(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

function shapeOf(look, x, y, radius) {
  const small = 5;
  if (look.shape === "circle") return ["circle", { cx: x, cy: y, r: radius, fill: "none" }];
  if (look.shape === "square") return ["rect", { x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius, fill: "none" }];
  if (look.shape === "dot") return ["circle", { cx: x, cy: y, r: 2.5, fill: look.colour }];
  const lines = look.shape === "cross"
    ? `M${x - small} ${y - small}L${x + small} ${y + small}M${x - small} ${y + small}L${x + small} ${y - small}`
    : `M${x} ${y - small}L${x + small} ${y}L${x} ${y + small}L${x - small} ${y}Z`;
  return ["path", { d: lines, fill: "none" }];
}

function mark(svg, look, x, y, radius, words) {
  const group = node("g", {}, svg);
  const [name, attributes] = shapeOf(look, x, y, radius);
  node(name, { ...attributes, class: "shadow", "stroke-width": 4 }, group);
  node(name, { ...attributes, stroke: look.colour, "stroke-width": 1.8 }, group);
  if (words) node("title", {}, group).textContent = words;
  return group;
}

function isShown(pick) {
  return state.statuses.has(pick.s) && state.objects.has(pick.o) && (pick.c === null || pick.c >= state.least);
}

function wordsOf(pick) {
  const score = pick.c === null ? "" : `, score ${pick.c}`;
  const remark = pick.r ? ` (${pick.r})` : "";
  return `${data.objects[pick.o].name}: ${data.looks[pick.s].words}${remark}${score}`;
}

function drawLines(svg, view, centre, toX, toY) {
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
        node("text", { x: toX(middle) + 4, y: toY(middle) + 12, style: `fill: ${line.c}` }, svg).textContent = line.n;
      }
      piece = [];
    };
    for (const point of line.p) {
      if (Math.abs(point[view.across] - centre) <= line.radius) piece.push(point); else finish();
    }
    finish();
  }
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
  if (stage.shown !== nearest) image.src = view.images[nearest];
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
  for (const [pick, radius] of cut) mark(svg, data.looks[pick.s], toX(pick.p), toY(pick.p), radius, wordsOf(pick));
  drawLines(svg, view, centre, toX, toY);
  const scored = cut.filter(([pick]) => pick.c !== null);
  if (state.scores && scored.length <= MOST_SCORES) {
    for (const [pick] of scored) node("text", { x: toX(pick.p) + 6, y: toY(pick.p) - 5 }, svg).textContent = pick.c.toFixed(2);
  }
  node("line", { class: "cross", x1: toX(spot), x2: toX(spot), y1: 0, y2: box.height }, svg);
  node("line", { class: "cross", x1: 0, x2: box.width, y1: toY(spot), y2: toY(spot) }, svg);
  const crowded = state.scores && scored.length > MOST_SCORES ? "; too many scores to show" : "";
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
  frame.append(image, svg);
  figure.append(caption, frame, slider);
  document.getElementById("views").append(figure);
  stages.push({ view, frame, image, svg, slider, caption, shown: -1 });
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

for (const sign of document.querySelectorAll("svg[data-look]")) mark(sign, data.looks[sign.dataset.look], 11, 11, 7, "");
for (const box of document.querySelectorAll("input[data-status]")) {
  box.addEventListener("change", () => { state.statuses[box.checked ? "add" : "delete"](box.dataset.status); drawAll(); });
}
for (const box of document.querySelectorAll("input[data-object]")) {
  box.addEventListener("change", () => { state.objects[box.checked ? "add" : "delete"](Number(box.dataset.object)); drawAll(); });
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
