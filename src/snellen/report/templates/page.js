"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const places = [...document.querySelectorAll("[data-figure]")];
  const probe = document.createElement("canvas").getContext("2d");

  // A colour of the style sheet by name, clear or mixed with another, in the words that plotly reads.
  const channels = (name) => {
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    return [1, 3, 5].map((at) => parseInt(probe.fillStyle.slice(at, at + 2), 16));
  };
  const colour = ({ $: name, a: alpha, on }) => {
    const [front, back] = [channels(name), on && channels(on)];
    if (!back) return `rgba(${front},${alpha})`;
    return `rgb(${front.map((value, i) => Math.round(value * alpha + back[i] * (1 - alpha)))})`;
  };
  const paint = (node) => {
    if (Array.isArray(node)) return node.map(paint);
    if (node === null || typeof node !== "object") return node;
    if ("$" in node) return colour(node);
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, paint(value)]));
  };
  const draw = () => {
    const font = getComputedStyle(document.body).fontFamily;
    for (const place of places) {
      const { data, layout } = paint(embeddingMap.view(figures[place.dataset.figure]));
      layout.font.family = font;
      Plotly.react(place, data, layout, { displayModeBar: false, responsive: true });
    }
  };
  draw();
  for (const place of places) embeddingMap.begin(place, figures[place.dataset.figure], draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  // Two views of one image, one above the other; what is right of the slider shows the upper one.
  for (const figure of document.querySelectorAll("[data-compare]")) {
    const [stage, range] = [figure.querySelector(".stage"), figure.querySelector("input")];
    const show = () => {
      stage.style.setProperty("--at", range.value + "%");
      const chosen = Object.fromEntries([...figure.querySelectorAll("select")].map((item) => [item.dataset.side, item.value]));
      for (const image of stage.querySelectorAll("img")) {
        image.classList.toggle("under", image.dataset.view === chosen.left);
        image.classList.toggle("over", image.dataset.view === chosen.right && chosen.right !== chosen.left);
      }
    };
    const drag = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = stage.getBoundingClientRect();
      range.value = Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
      show();
    };
    stage.addEventListener("pointerdown", drag);
    stage.addEventListener("pointermove", drag);
    figure.addEventListener("input", show);
    show();
  }

  // Paper is white: draw the charts in light colours, as wide as the sheet.
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("paper");
    document.querySelectorAll("details").forEach((item) => { item.open = true; });
    draw();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("paper");
    draw();
  });

  // The section being read is marked in the navigation.
  const links = new Map([...document.querySelectorAll("nav ol a")].map((link) => [link.hash.slice(1), link]));
  const mark = (id) => {
    for (const [name, link] of links) link.classList.toggle("here", name === id);
    const here = links.get(id);
    const list = here && here.closest("ol");
    if (list && list.scrollWidth > list.clientWidth) list.scrollTo({ left: here.offsetLeft - list.clientWidth / 2 });
  };
  const sections = [...document.querySelectorAll("main section")];
  const look = () => {
    const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    const read = sections.filter((section) => section.getBoundingClientRect().top < innerHeight * 0.3);
    mark((end ? sections.at(-1) : read.at(-1) ?? sections[0]).id);
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; look(); });
  }, { passive: true });
  look();
})();
