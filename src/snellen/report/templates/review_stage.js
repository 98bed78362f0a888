"use strict";
// The stage: an image with its annotations drawn over it, zoomed and moved as one. It knows nothing of questions and answers.
const makeStage = ({ classes, points, onPick }) => {
  const at = (id) => document.getElementById(id);
  const [stage, picture, overlay, drawn, tags] = ["stage", "picture", "overlay", "drawn", "tags"].map(at);
  const layers = [...stage.querySelectorAll(".layer")];
  const NONE = "#8a94a3", MOST_TAGS = 40, MOST_ZOOM = 60;
  let item = null, picked = null, hidden = false, sent = 0;
  let view = { zoom: 1, x: 0, y: 0 };

  const colour = (label) => (label.class === null ? NONE : classes[label.class].colour);
  const svg = (name, attributes, inside) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (inside) inside.append(node);
    return node;
  };
  const light = (hex) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return 0.299 * r + 0.587 * g + 0.114 * b > 140;
  };
  const rect = ([x0, y0, x1, y1]) => ({ x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) });

  // The box of an object, or of its outlines and points where it has none.
  const extent = (object) => {
    if (object.box) return object.box;
    const xy = object.polygons.flat();
    object.keypoints.forEach((value, i) => { if (i % 3 < 2 && object.keypoints[i - (i % 3) + 2] > 0) xy.push(value); });
    const xs = xy.filter((_, i) => i % 2 === 0), ys = xy.filter((_, i) => i % 2 === 1);
    return xs.length ? [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] : null;
  };
  const inQuestion = () => {
    const boxes = [];
    const object = item.objects.find((one) => one.place === (picked ?? item.focus));
    if (object && extent(object)) boxes.push(extent(object));
    if (picked === null && item.suggestion && item.suggestion.box) boxes.push(item.suggestion.box);
    if (!boxes.length) return null;
    const [xs, ys] = [0, 1].map((side) => boxes.flatMap((box) => [box[side], box[side + 2]]));
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  };

  const drawObject = (object) => {
    const paint = colour(object.label);
    const kind = object.place === picked ? " picked" : object.place === item.focus ? " focus" : "";
    const group = svg("g", { class: `object${kind}${object.problem ? " problem" : ""}${object.crowd ? " crowd" : ""}`, stroke: paint, fill: paint });
    group.addEventListener("click", (event) => { if (!moved) { event.stopPropagation(); onPick(object.place); } });
    if (object.box) {
      if (kind) svg("rect", { ...rect(object.box), class: "halo" }, group);
      svg("rect", { ...rect(object.box), class: "box" }, group);
    }
    for (const line of object.polygons) svg("polygon", { points: line.join(" "), class: "outline" }, group);
    for (let i = 0; i + 2 < object.keypoints.length; i += 3) {
      const [x, y, seen] = object.keypoints.slice(i, i + 3);
      if (!(seen > 0) || x === null || y === null) continue;
      const point = points[i / 3] || { name: String(i / 3 + 1), colour: paint };
      const dot = svg("circle", { cx: x, cy: y, class: "point", fill: seen > 1 ? point.colour : "none", stroke: seen > 1 ? "#fff" : point.colour }, group);
      svg("title", {}, dot).textContent = point.name;
    }
    drawn.append(group);
  };
  const tag = (text, [x, y], paint, kind) => {
    const node = document.createElement("span");
    node.className = `tag ${kind}`;
    node.textContent = text;
    node.style.background = paint;
    node.style.color = light(paint) ? "#10151c" : "#fff";
    Object.assign(node.dataset, { x, y });
    tags.append(node);
  };
  const draw = () => {
    drawn.replaceChildren();
    tags.replaceChildren();
    if (!item || item.image.problem) return;
    const { width, height } = item.image;
    drawn.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const spot = inQuestion();
    if (spot) {
      const { x, y, width: w, height: h } = rect(spot);
      svg("path", { class: "shade", "fill-rule": "evenodd", d: `M0 0H${width}V${height}H0ZM${x} ${y}h${w}v${h}h${-w}Z` }, drawn);
    }
    const chosen = picked ?? item.focus;
    const order = [...item.objects].sort((a, b) => (a.place === chosen) - (b.place === chosen));
    order.forEach(drawObject);
    const few = item.objects.length <= MOST_TAGS;
    for (const object of order) {
      const where = extent(object);
      const name = object.label.name || "–";
      if (where && (few || object.place === chosen)) tag(name, rectCorner(where), colour(object.label), object.place === chosen ? "chosen" : spot ? "dim" : "");
    }
    const suggestion = picked === null && item.suggestion;
    if (suggestion && suggestion.box) {
      const paint = suggestion.label ? colour(suggestion.label) : "#ffffff";
      svg("rect", { ...rect(suggestion.box), class: "suggested under" }, drawn);
      svg("rect", { ...rect(suggestion.box), class: "suggested", stroke: paint }, drawn);
    }
    drawn.classList.toggle("asked", Boolean(spot));
  };
  const rectCorner = (box) => [Math.min(box[0], box[2]), Math.min(box[1], box[3])];

  const fit = () => {
    const pane = at("pane").getBoundingClientRect();
    return Math.min(pane.width / item.image.width, pane.height / item.image.height);
  };
  const place = () => {
    if (!item || item.image.problem) return;
    const { width, height } = item.image;
    const pane = at("pane").getBoundingClientRect();
    const scale = fit() * view.zoom;
    // The image may not be moved out of sight: where it is larger than the pane it fills it, else it stands in the middle.
    const middle = (centre, size, room) => (size * scale <= room ? size / 2 : Math.min(Math.max(centre, room / 2 / scale), size - room / 2 / scale));
    view.x = middle(view.x, width, pane.width);
    view.y = middle(view.y, height, pane.height);
    const left = pane.width / 2 - view.x * scale, top = pane.height / 2 - view.y * scale;
    for (const layer of layers) {
      Object.assign(layer.style, { left: `${left}px`, top: `${top}px`, width: `${width * scale}px`, height: `${height * scale}px` });
      layer.classList.toggle("coarse", scale > 8);
    }
    for (const dot of drawn.querySelectorAll(".point")) dot.setAttribute("r", 5 / scale);
    for (const node of tags.children) {
      const x = Math.max(Number(node.dataset.x) * scale, -left), y = Number(node.dataset.y) * scale;
      const above = y + top > 20;
      Object.assign(node.style, { left: `${x}px`, top: `${above ? y : Math.max(y, -top)}px`, transform: above ? "translateY(-100%)" : "none" });
    }
    stage.classList.toggle("zoomed", view.zoom > 1);
    // Closer than the picture that was sent has pixels for: ask for a finer one.
    const wanted = Math.max(width, height) * scale * devicePixelRatio;
    if (wanted > sent * 1.25 && sent < Math.min(4096, Math.max(width, height))) load(4096);
  };
  const load = (side) => {
    sent = Math.min(side, Math.max(item.image.width, item.image.height));
    const name = encodeURIComponent(item.sample);
    picture.src = `image/${name}?side=${side}`;
    if (item.pair && !item.pair.problem) at("pair").src = `pair/${name}?side=${side}`;
  };
  const zoom = (factor, x, y) => {
    if (!item || item.image.problem) return;
    const scale = fit() * view.zoom;
    const next = Math.min(Math.max(view.zoom * factor, 1), MOST_ZOOM);
    // What lies under the pointer stays under it.
    const [dx, dy] = x === undefined ? [0, 0] : [x, y];
    view = { zoom: next, x: view.x + dx / scale - dx / (scale * next / view.zoom), y: view.y + dy / scale - dy / (scale * next / view.zoom) };
    place();
  };
  const whole = () => { view = { zoom: 1, x: 0, y: 0 }; place(); };
  const closer = () => {
    const box = item && !item.image.problem && inQuestion();
    if (!box) return;
    if (view.zoom > 1) { whole(); return; }
    const pane = at("pane").getBoundingClientRect();
    const side = (low, high) => Math.max(high - low, 8) * 1.6;
    const scale = Math.min(pane.width / side(box[0], box[2]), pane.height / side(box[1], box[3]));
    view = { zoom: Math.min(Math.max(scale / fit(), 1), MOST_ZOOM), x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2 };
    place();
  };
  const hide = () => { hidden = !hidden; stage.classList.toggle("bare", hidden); };

  let drag = null, moved = false;
  stage.addEventListener("pointerdown", (event) => {
    moved = false;
    if (event.button === 0 && !event.target.closest(".tools") && view.zoom > 1) drag = { x: event.clientX, y: event.clientY };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const scale = fit() * view.zoom;
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3) moved = true;
    if (!moved) return;
    view = { ...view, x: view.x - (event.clientX - drag.x) / scale, y: view.y - (event.clientY - drag.y) / scale };
    drag = { x: event.clientX, y: event.clientY };
    place();
  });
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { drag = null; });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pane = at("pane").getBoundingClientRect();
    const x = (event.clientX - pane.left) % (pane.width + 2);
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), x - pane.width / 2, event.clientY - pane.top - pane.height / 2);
  }, { passive: false });
  const tools = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit: whole, hide };
  for (const button of stage.querySelectorAll("[data-tool]")) button.addEventListener("click", () => { tools[button.dataset.tool](); });
  new ResizeObserver(place).observe(stage);

  // Show an item; resolves when its image can be seen, or cannot.
  const show = async (given) => {
    item = given;
    picked = null;
    view = { zoom: 1, x: 0, y: 0 };
    const seen = !item.image.problem;
    at("other").hidden = !item.pair;
    at("pane").querySelector(".caption").hidden = !item.pair;
    stage.classList.toggle("unseen", !seen);
    if (!seen) { draw(); picture.removeAttribute("src"); overlay.hidden = true; return; }
    const name = encodeURIComponent(item.sample);
    const over = item.mask ? (item.mask.problem ? null : "mask") : item.runs ? "runs" : null;
    overlay.hidden = !over;
    if (over) overlay.src = `${over}/${name}`;
    load(1600);
    draw();
    place();
    await Promise.all([picture, ...(over ? [overlay] : [])].map((image) => image.decode().catch(() => null)));
  };
  const pick = (place_) => { picked = place_; draw(); place(); };
  return { show, pick, zoom, whole, closer, hide };
};
