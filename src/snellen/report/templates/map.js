"use strict";
// The embedding map: which layout and which colours are shown, and the small picture of the point under the pointer.
const embeddingMap = (() => {
  const SHOWN = 96;
  const chosen = { places: 0, colours: 0 };
  let peek = null;

  const traces = ({ places, colours, text }) => {
    const { x, y } = places[chosen.places];
    const { labels, shades, of } = colours[chosen.colours];
    return labels.map((name, group) => {
      const rows = of.flatMap((value, row) => (value === group ? [row] : []));
      return {
        type: "scatter", mode: "markers", name, customdata: rows,
        x: rows.map((row) => x[row]), y: rows.map((row) => y[row]), text: rows.map((row) => text[row]),
        hovertemplate: "%{text}<extra></extra>",
        marker: { color: shades[group], size: rows.length > 4000 ? 4 : 6.5, opacity: 0.85, line: { width: 0.5, color: { $: "card", a: 1 } } },
      };
    });
  };

  // The figure as it is chosen now; charts without a map are as they are.
  const view = (figure) => {
    if (!figure.map) return figure;
    const mouse = matchMedia("(pointer: fine)").matches;
    const axis = (given) => ({ ...given, fixedrange: !mouse });
    const { xaxis, yaxis } = figure.layout;
    return {
      data: traces(figure.map),
      layout: { ...figure.layout, xaxis: axis(xaxis), yaxis: axis(yaxis), dragmode: mouse ? "zoom" : false, uirevision: chosen.places },
    };
  };

  const buttons = (place, map, kind, draw) => {
    const row = document.createElement("div");
    row.className = "views";
    map[kind].forEach(({ name }, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-pressed", String(at === chosen[kind]));
      button.addEventListener("click", () => {
        chosen[kind] = at;
        [...row.children].forEach((other, i) => other.setAttribute("aria-pressed", String(i === at)));
        draw();
      });
      row.append(button);
    });
    if (map[kind].length > 1) place.before(row);
  };

  const show = ({ tiles, sheet, across, side }, row, { clientX, clientY }) => {
    const tile = sheet && tiles[row] >= 0 ? tiles[row] : -1;
    peek.hidden = tile < 0;
    if (tile < 0) return;
    const image = peek.firstChild;
    if (!image.src) image.src = sheet;
    image.style.width = `${across * SHOWN}px`;
    image.style.left = `${-(tile % across) * SHOWN}px`;
    image.style.top = `${-Math.floor(tile / across) * SHOWN}px`;
    peek.style.left = `${Math.max(4, clientX - SHOWN - 18)}px`;
    peek.style.top = `${Math.max(4, clientY - SHOWN - 18)}px`;
  };

  // Buttons above the plot, a picture beside the pointer.
  const begin = (place, { map }, draw) => {
    if (!map) return;
    for (const kind of ["colours", "places"]) buttons(place, map, kind, draw);
    peek = document.createElement("div");
    peek.className = "peek";
    peek.hidden = true;
    peek.append(document.createElement("img"));
    peek.firstChild.alt = "";
    document.body.append(peek);
    place.on("plotly_hover", ({ points, event }) => show(map, points[0].customdata, event));
    place.on("plotly_unhover", () => { peek.hidden = true; });
  };

  return { view, begin };
})();
