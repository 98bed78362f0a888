(async () => {
  const { texts: t, command, journal } = JSON.parse(document.getElementById("given").textContent);
  const at = (id) => document.getElementById(id);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const words = (list) => list.map((one) => one.name).join(document.documentElement.lang.startsWith("zh") ? "、" : ", ");

  const ask = async (path, body) => {
    const given = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const reply = await fetch(path, { cache: "no-store", ...given });
    if (!reply.ok) throw new Error((await reply.text()).trim() || String(reply.status));
    return reply.json();
  };

  const all = await ask("overview");
  const total = all.answers.length;
  const several = all.task === "multilabel";
  let item = null, n = -1, picked = null, busy = true;
  const coming = new Map();
  const stage = makeStage({ classes: all.classes, points: all.keypoints, onPick: (place) => pick(place) });

  const fetched = (number) => {
    if (!coming.has(number)) coming.set(number, ask(`item/${number}`));
    return coming.get(number);
  };
  const ahead = async (number) => {
    if (number >= total) return;
    const next = await fetched(number);
    if (!next.image.problem) new Image().src = `image/${encodeURIComponent(next.sample)}?side=1600`;
  };
  const failed = (error) => {
    at("failed").textContent = fill(t.failed, { reason: error.message });
    at("failed").hidden = false;
  };

  const go = async (number) => {
    busy = true;
    n = Math.max(0, Math.min(number, total));
    try {
      if (n >= total) { ended(); return; }
      document.body.classList.remove("ended");
      item = await fetched(n);
      picked = null;
      tell();
      await stage.show(item);
      document.body.dataset.shown = String(n);
      ahead(n + 1).catch(() => null);
    } catch (error) {
      failed(error);
    } finally {
      busy = false;
    }
  };

  // ---- What is told of an item
  const place = () => picked ?? item.focus;
  const object = () => item.objects.find((one) => one.place === place());
  const chip = (label, colour) => {
    const node = document.createElement("span");
    node.className = "chip";
    const dot = document.createElement("i");
    dot.style.background = colour ?? (label.class === null || label.class === undefined ? "transparent" : all.classes[label.class].colour);
    node.append(dot, label.name || "–");
    return node;
  };
  const fact = (name, ...inside) => {
    const [term, told] = ["dt", "dd"].map((kind) => document.createElement(kind));
    term.textContent = name;
    told.append(...inside);
    at("facts").append(term, told);
  };
  const muted = (text) => Object.assign(document.createElement("span"), { className: "muted", textContent: text });

  const facts = () => {
    at("facts").replaceChildren();
    const one = object();
    if (all.relabel) fact(several ? t.labels : t.label, ...(item.labels.length ? item.labels.map((label) => chip(label)) : [muted(t.no_label)]));
    if (one) fact(t.object, chip(one.label), ...[one.crowd ? t.crowd : "", one.problem].filter(Boolean).map(muted));
    else if (["detection", "instance", "keypoints"].includes(all.task)) counts();
    if (item.mask) masks();
    if (all.keypoints.length && item.objects.some((each) => each.keypoints.length)) fact(t.points, ...all.keypoints.map((point) => chip(point, point.colour)));
    const suggestion = picked === null && item.suggestion;
    if (suggestion) fact(t.suggested, ...[...(suggestion.label ? [suggestion.label] : []), ...suggestion.adds].map((label) => chip(label)), ...(suggestion.box ? [muted(t.suggested_box)] : []));
  };
  const counts = () => {
    const found = new Map();
    for (const each of item.objects) {
      const known = found.get(each.label.name) ?? { label: each.label, count: 0 };
      found.set(each.label.name, { ...known, count: known.count + 1 });
    }
    const list = [...found.values()].sort((a, b) => b.count - a.count);
    const chips = list.slice(0, 12).map(({ label, count }) => { const node = chip(label); node.append(muted(` ${count}`)); return node; });
    const more = list.length > 12 ? [muted(fill(t.more, { count: list.length - 12 }))] : [];
    const cut = item.objects.length < item.total ? [muted(fill(t.drawn, { drawn: item.objects.length, total: item.total }))] : [];
    fact(t.objects, ...(chips.length ? chips : [muted(t.no_objects)]), ...more, ...cut);
  };
  const masks = () => {
    const { mask, image } = item;
    if (mask.problem) { fact(t.mask, muted(mask.problem)); return; }
    const chips = mask.classes.filter((each) => each.colour).map((each) => {
      const node = chip({ name: each.name || `${t.unknown_id} ${each.id}` }, each.colour);
      node.append(muted(` ${percent(each.share)}`));
      return node;
    });
    const odd = !image.problem && (mask.width !== image.width || mask.height !== image.height);
    const size = ({ width, height }) => `${width} × ${height}`;
    fact(t.mask, ...(chips.length ? chips : [muted(t.no_objects)]), ...(odd ? [muted(fill(t.other_size, { mask: size(mask), image: size(image) }))] : []));
  };

  const said = (record) => fill(t.said[record.answer] ?? record.answer, { label: words(record.labels) });
  const note = (id, text) => { at(id).hidden = !text; at(id).textContent = text; };
  const tell = () => {
    const part = all.parts[item.part];
    const many = { n: (n - part.start + 1).toLocaleString("en"), count: part.count.toLocaleString("en") };
    at("where").textContent = [part.level, fill(t.of, many)].filter(Boolean).join(" · ");
    at("where").className = part.severity;
    at("title").textContent = part.title || t.random;
    at("message").textContent = part.message || t.random_message;
    note("what", item.what);
    at("path").textContent = [item.path, item.split].filter(Boolean).join(" · ");
    note("unseen", item.image.problem && fill(t.unseen, { reason: item.image.problem }));
    note("before", item.before && fill(t.before, { where: item.before.title || t.random, said: said(item.before) }));
    const names = item.aside.map((one) => { const found = item.objects.find((each) => each.place === one.place); return `${found ? found.label.name : ""}: ${said(one)}`; });
    note("aside", names.length && fill(t.aside, { list: names.join("; ") }));
    asking();
    progress();
  };
  const asking = () => {
    facts();
    const where = place(), suggestion = picked === null && item.suggestion;
    const kind = where === null ? (item.part ? "sample" : all.task) : where < 0 ? "missing" : "object";
    at("question").textContent = t.ask[kind] ?? t.ask.sample;
    const label = !suggestion ? "" : suggestion.label ? suggestion.label.name : words(suggestion.adds);
    const taken = !suggestion ? "" : suggestion.adds.length ? "accept_adds" : where !== null && where < 0 ? "accept_new" : suggestion.box && label ? "accept_both" : label ? "accept_label" : "accept_box";
    const effects = {
      right: t.effect.right, wrong: where !== null && where >= 0 ? t.effect.remove : t.effect.drop, skip: t.effect.skip, back: t.effect.back,
      relabel: where !== null && where < 0 ? t.effect.add : t.effect.relabel, accept: taken && fill(t.effect[taken], { label }),
    };
    const given = picked === null || picked === item.focus ? item.answer : item.aside.find((one) => one.place === picked);
    for (const button of at("answers").children) {
      const name = button.dataset.answer;
      button.querySelector("small").textContent = effects[name] || "";
      button.hidden = !can(name);
      button.classList.toggle("given", Boolean(given) && given.answer === name);
    }
    at("now").textContent = given ? fill(t.now, { said: said(given) }) : "";
  };
  const can = (name) => {
    if (name === "accept") return picked === null && Boolean(item.suggestion) && item.suggestion.whole;
    if (name === "relabel") return place() === null ? all.relabel : place() >= 0 || Boolean(item.suggestion && item.suggestion.box);
    return true;
  };

  // ---- Progress and the estimate
  const bars = all.parts.map((part) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = part.severity;
    button.append(document.createElement("i"));
    // The root keeps a small finding visible beside a large one.
    button.style.flexGrow = String(Math.sqrt(part.count));
    button.addEventListener("click", () => {
      const open = all.answers.findIndex((answer, i) => i >= part.start && i < part.start + part.count && !answer);
      go(open < 0 ? part.start : open);
    });
    at("bar").append(button);
    return button;
  });
  const progress = () => {
    all.parts.forEach((part, i) => {
      const done = all.answers.slice(part.start, part.start + part.count).filter(Boolean).length;
      const told = `${part.title || t.random}: ${fill(t.answered, { done, total: part.count })}`;
      bars[i].firstChild.style.width = `${part.count ? (100 * done) / part.count : 0}%`;
      bars[i].title = told;
      bars[i].setAttribute("aria-label", told);
      bars[i].classList.toggle("here", Boolean(item) && n < total && item.part === i);
    });
    at("count").textContent = fill(t.answered, { done: all.answers.filter(Boolean).length.toLocaleString("en"), total: total.toLocaleString("en") });
    estimate();
  };
  const estimate = () => {
    const { n: judged, wrong, share, low, high } = all.estimate;
    const box = at("estimate");
    box.classList.toggle("none", !judged);
    box.querySelector("h3").textContent = all.relabel ? t.estimate.classification : t.estimate.annotations;
    box.querySelector(".share b").textContent = judged ? percent(share) : "";
    box.querySelector(".interval").textContent = judged ? fill(t.estimate.interval, { low: percent(low), high: percent(high) }) : t.estimate.none;
    box.querySelector(".counts").textContent = judged ? fill(t.estimate.counts, { wrong, n: judged }) : "";
    const [span, mark] = box.querySelector(".ruler").children;
    Object.assign(span.style, { left: `${100 * low}%`, width: `${100 * (high - low)}%` });
    mark.style.left = `${100 * (share ?? 0)}%`;
  };

  const ended = () => {
    const open = all.answers.filter((answer) => !answer).length;
    const first = all.answers.findIndex((answer) => !answer);
    document.body.classList.add("ended");
    document.body.dataset.shown = "end";
    at("open").replaceChildren();
    if (open) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: t.end.go });
      button.addEventListener("click", () => go(first));
      at("open").append(`${fill(t.end.open, { count: open })} `, button);
    }
    const { n: judged, share, low, high } = all.estimate;
    const rate = [all.relabel ? t.estimate.classification : t.estimate.annotations, percent(share), fill(t.estimate.interval, { low: percent(low), high: percent(high) })];
    const given = ["right", "wrong", "relabel", "accept", "skip"].map((name) => [t.answer[name], all.answers.filter((one) => one === name).length, ""]);
    at("counted").replaceChildren(...[...(judged ? [rate] : []), ...given.filter(([, count]) => count)].map(([name, value, more]) => {
      const [box, term, told] = ["div", "dt", "dd"].map((kind) => document.createElement(kind));
      term.textContent = name;
      told.append(String(value), ...(more ? [muted(more)] : []));
      box.append(term, told);
      return box;
    }));
    at("apply").textContent = total ? fill(t.end.text, { journal }) : t.end.none;
    const block = document.querySelector("#end pre");
    block.textContent = command;
    block.hidden = !total;
    progress();
  };

  // ---- Answers
  const answer = async (name, more) => {
    if (busy || n >= total || !can(name)) return;
    if (name === "relabel" && !more) { choose(); return; }
    busy = true;
    try {
      const done = await ask("answer", { n, answer: name, place: picked, ...more });
      at("failed").hidden = true;
      all.answers[n] = done.answer;
      all.estimate = done.estimate;
      if (done.classes) all.classes.push(...done.classes.slice(all.classes.length));
      const aside = picked !== null && picked !== item.focus;
      coming.clear();
      await go(aside ? n : n + 1);
    } catch (error) {
      failed(error);
      busy = false;
    }
  };
  const pick = (next) => {
    if (busy || n >= total) return;
    picked = next === item.focus ? null : next;
    stage.pick(picked);
    asking();
  };
  const step = (by) => {
    // The object in question, or the whole image, has its turn too.
    const places = [null, ...item.objects.map((one) => one.place).filter((one) => one !== item.focus)];
    pick(places[(places.indexOf(picked) + by + places.length) % places.length]);
  };

  // ---- The chooser of a class
  const dialog = at("chooser"), typed = at("typed"), list = at("classes");
  let chosen = new Set(), marked = 0, shown = [];
  const choose = () => {
    const many = several && place() === null;
    dialog.querySelector("h2").textContent = many ? t.choose.titles : t.choose.title;
    dialog.querySelector("small").textContent = many ? t.choose.hints : t.choose.hint;
    at("store").hidden = !many;
    chosen = new Set(many ? item.labels.map((label) => label.class).filter((one) => one !== null) : []);
    typed.value = "";
    options();
    dialog.showModal();
    typed.focus();
  };
  const options = () => {
    const text = typed.value.trim().toLocaleLowerCase();
    const now = new Set(place() === null ? item.labels.map((label) => label.class) : object() ? [object().label.class] : []);
    const first = picked === null && item.suggestion && item.suggestion.label ? item.suggestion.label.class : -1;
    const rank = ({ name, number }) => (number === first ? 0 : name.toLocaleLowerCase().startsWith(text) ? 1 : 2) + (!at("store").hidden || !now.has(number) ? 0 : 5);
    shown = all.classes.map(({ name, colour }, number) => ({ name, colour, number })).filter(({ name }) => name.toLocaleLowerCase().includes(text));
    shown.sort((a, b) => rank(a) - rank(b));
    shown = shown.slice(0, 60);
    const exact = all.classes.some(({ name }) => name.toLocaleLowerCase() === text);
    if (text && !exact) shown.push({ name: typed.value.trim(), fresh: true });
    marked = 0;
    mark();
  };
  const mark = () => {
    list.replaceChildren(...shown.map((option, i) => {
      const node = document.createElement("li");
      node.setAttribute("role", "option");
      node.setAttribute("aria-selected", String(i === marked));
      if (option.fresh) node.append(fill(t.choose.new, option));
      else node.append(chip({ name: option.name, class: option.number }));
      node.classList.toggle("chosen", chosen.has(option.number));
      node.addEventListener("click", () => take(option));
      return node;
    }));
    list.children[marked]?.scrollIntoView({ block: "nearest" });
  };
  const take = (option) => {
    if (at("store").hidden) {
      dialog.close();
      answer("relabel", option.fresh ? { new: option.name } : { classes: [option.number] });
    } else if (option.fresh) {
      dialog.close();
      answer("relabel", { classes: [...chosen], new: option.name });
    } else {
      if (!chosen.delete(option.number)) chosen.add(option.number);
      typed.value = "";
      options();
      typed.focus();
    }
  };
  const store = () => { dialog.close(); answer("relabel", { classes: [...chosen] }); };
  at("store").addEventListener("click", store);
  typed.addEventListener("input", options);
  typed.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      marked = (marked + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % Math.max(shown.length, 1);
      mark();
    } else if (event.key === "Enter") {
      if (!at("store").hidden && !typed.value.trim() && marked === 0) store();
      else if (shown[marked]) take(shown[marked]);
    } else return;
    event.preventDefault();
  });

  // ---- Keys and buttons
  const keys = {
    Enter: () => answer("right"), y: () => answer("right"), n: () => answer("wrong"), r: () => answer("relabel"), a: () => answer("accept"),
    s: () => answer("skip"), b: () => back(), ArrowLeft: () => back(), ArrowRight: () => { if (!busy) go(n + 1); },
    ArrowDown: () => { if (item && n < total) step(1); }, ArrowUp: () => { if (item && n < total) step(-1); }, Escape: () => { if (item && n < total) pick(null); },
    "+": () => stage.zoom(1.5), "=": () => stage.zoom(1.5), "-": () => stage.zoom(1 / 1.5), 0: () => stage.whole(), z: () => stage.closer(), h: () => stage.hide(),
  };
  const back = () => { if (!busy && n > 0) go(n - 1); };
  addEventListener("keydown", (event) => {
    if (dialog.open || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    // Enter on something that was reached by Tab means that thing.
    if (event.key === "Enter" && document.activeElement !== document.body) return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  for (const button of at("answers").children) {
    button.addEventListener("click", () => (button.dataset.answer === "back" ? back() : answer(button.dataset.answer)));
  }
  // A click with the mouse leaves the keys to the page.
  addEventListener("click", (event) => { if (event.detail && !dialog.open) document.activeElement?.blur(); });

  const open = all.answers.findIndex((given) => !given);
  await go(open < 0 ? total : open);
})();
