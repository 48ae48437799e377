"use strict";
// The page: one chosen frame and one chosen particle, shown by the movie, the map, the plots and the tables.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { node, html, tidy, exact } = Plot;
  const $ = (id) => document.getElementById(id);
  const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#d1b800", "#3b82d6", "#d55e00", "#cc79a7"];
  const colourOf = (id) => COLOURS[((id % COLOURS.length) + COLOURS.length) % COLOURS.length];

  const paths = new Map();
  for (const p of data.tracks.paths) {
    const n = p.x.length, x = new Float32Array(n), y = new Float32Array(n), f = new Int32Array(n);
    let sx = 0, sy = 0, frame = p.f0;
    for (let i = 0; i < n; i++) {
      sx += p.x[i]; sy += p.y[i];
      if (i > 0) frame += p.df ? p.df[i - 1] : 1;
      x[i] = sx / data.tracks.per_px; y[i] = sy / data.tracks.per_px; f[i] = frame;
    }
    paths.set(p.id, { id: p.id, x, y, f, gaps: new Set(p.gaps || []) });
  }
  const table = (t) => t.columns.length ? t.columns[0].map((_, i) => Object.fromEntries(t.names.map((n, k) => [n, t.columns[k][i]]))) : [];
  const particles = table(data.particles), events = table(data.events);
  const measured = new Map(particles.map((row) => [row.particle, row]));
  const plots = [];
  const state = { frame: 0, particle: null };

  function at(path, frame) {
    let low = 0, high = path.f.length - 1;
    if (frame < path.f[0] || frame > path.f[high]) return -1;
    while (low < high) { const m = (low + high + 1) >> 1; if (path.f[m] <= frame) low = m; else high = m - 1; }
    return low;
  }

  // ---- map -------------------------------------------------------------------------------------
  const map = (() => {
    const box = $("map");
    if (!paths.size) return { frame() {}, highlight() {} };
    let [w, h] = data.field || [0, 0];
    if (!data.field) for (const p of paths.values()) for (let i = 0; i < p.x.length; i++) { w = Math.max(w, p.x[i] + 2); h = Math.max(h, p.y[i] + 2); }
    const holder = html("div", { class: "plot", id: "plot-map" }, box);
    html("h3", {}, holder, "Trajectories");
    const svg = node("svg", { viewBox: `-0.5 -0.5 ${w} ${h}`, role: "img", "aria-label": "Trajectory map" }, holder);
    if (data.background) node("image", { href: data.background, x: -0.5, y: -0.5, width: w, height: h, opacity: 0.8, preserveAspectRatio: "none" }, svg);
    else node("rect", { x: -0.5, y: -0.5, width: w, height: h, fill: "none", stroke: "currentColor", "stroke-opacity": 0.4, "vector-effect": "non-scaling-stroke" }, svg);
    const unit = Math.max(w, h) / 500;
    const lines = node("g", { fill: "none", "stroke-linejoin": "round" }, svg);
    const drawn = new Map();
    for (const p of paths.values()) {
      let d = "";
      for (let i = 0; i < p.x.length; i++) d += `${i ? "L" : "M"}${p.x[i].toFixed(1)},${p.y[i].toFixed(1)}`;
      if (p.x.length === 1) d += "h0.01";
      const line = node("path", { d, stroke: colourOf(p.id), "stroke-width": 1.5 * unit, "stroke-linecap": "round", class: "hit" }, lines);
      line.dataset.particle = p.id;
      drawn.set(p.id, line);
    }
    const chosen = node("g", { fill: "none" }, svg), dots = node("g", {}, svg), shown = new Map();
    svg.addEventListener("click", (e) => { if (e.target.dataset.particle !== undefined) choose(Number(e.target.dataset.particle)); });
    svg.addEventListener("mousemove", (e) => Plot.tip(e, e.target.dataset.particle !== undefined ? `particle ${e.target.dataset.particle}` : ""));
    svg.addEventListener("mouseleave", () => Plot.tip(null, ""));
    scaleBar(svg, w, h, unit);
    const spec = { key: "trajectories", title: "Trajectories" };
    Plot.saveButtons(holder, svg, spec, () => {
      const rows = [["particle", "frame", "x_px", "y_px"]];
      for (const p of paths.values()) for (let i = 0; i < p.x.length; i++) rows.push([p.id, p.f[i], p.x[i].toFixed(2), p.y[i].toFixed(2)]);
      return Plot.csv(rows);
    });
    const thinned = data.tracks.stride > 1 ? ` Every ${data.tracks.stride}th position is drawn.` : "";
    html("p", { class: "quiet" }, holder, `${paths.size} particles; dots are where they are in the chosen frame.${thinned}`);
    return {
      frame(f) {
        for (const p of paths.values()) {
          const i = at(p, f);
          let dot = shown.get(p.id);
          if (i < 0) { if (dot) dot.setAttribute("visibility", "hidden"); continue; }
          if (!dot) {
            dot = node("circle", { r: 3.2 * unit, fill: colourOf(p.id), stroke: "#111", "stroke-width": 0.7 * unit, class: "hit" }, dots);
            dot.dataset.particle = p.id;
            shown.set(p.id, dot);
          }
          dot.setAttribute("visibility", "visible");
          dot.setAttribute("cx", p.x[i]);
          dot.setAttribute("cy", p.y[i]);
          dot.setAttribute("fill-opacity", p.gaps.has(i) ? 0.15 : 1);
        }
      },
      highlight(id) {
        chosen.replaceChildren();
        lines.setAttribute("stroke-opacity", id === null ? 1 : 0.45);
        if (drawn.has(id)) {
          const d = drawn.get(id).getAttribute("d");
          node("path", { d, stroke: "#fff", "stroke-width": 4.5 * unit, "stroke-linejoin": "round" }, chosen);
          node("path", { d, stroke: Plot.CHOSEN, "stroke-width": 2.4 * unit, "stroke-linejoin": "round" }, chosen);
        }
      },
    };
  })();

  function scaleBar(svg, w, h, unit) {
    const size = data.pixel_size_nm || 1, longest = (w / 4) * size;
    const power = Math.pow(10, Math.floor(Math.log10(longest)));
    const length = [5, 2, 1].find((m) => m * power <= longest) * power;
    const text = data.pixel_size_nm ? (length >= 1000 ? `${length / 1000} µm` : `${length} nm`) : `${length} px`;
    const x = 10 * unit, y = h - 12 * unit, px = length / size;
    node("rect", { x: x - unit, y: y - unit, width: px + 2 * unit, height: 5 * unit, fill: "#111" }, svg);
    node("rect", { x, y, width: px, height: 3 * unit, fill: "#fff" }, svg);
    node("text", { x: x + px / 2, y: y - 5 * unit, "text-anchor": "middle", "font-size": 15 * unit, fill: "#fff", stroke: "#111", "stroke-width": 3 * unit, "paint-order": "stroke", "stroke-linejoin": "round" }, svg, text);
  }

  // ---- frame -----------------------------------------------------------------------------------
  const video = $("video"), slider = $("frame");
  slider.min = data.first_frame;
  slider.max = Math.max(0, data.n_frames - 1);

  function uneven(f) {
    const t = data.times_s, at = f / data.times_step, k = Math.min(Math.floor(at), t.length - 2);
    return t[k] + (t[k + 1] - t[k]) * (at - k);
  }
  function clockText(f) {
    const t = data.times_s ? uneven(f) : data.frame_interval_s ? f * data.frame_interval_s : null;
    return `frame ${f}` + (t === null || t === undefined ? "" : ` · ${tidy(t)} s`);
  }
  const videoTime = (f) => {
    const k = Math.max(0, Math.min(data.video.n - 1, Math.round((f - data.video.first) / data.video.step)));
    return data.video.fps ? (k + 0.5) / data.video.fps : data.video.times[k] + 1e-3;
  };
  function videoFrame(t) {
    let k = 0;
    if (data.video.fps) k = Math.floor(t * data.video.fps + 1e-3);
    else while (k + 1 < data.video.n && data.video.times[k + 1] <= t + 1e-4) k++;
    return Math.min(data.n_frames - 1, data.video.first + data.video.step * Math.max(0, Math.min(k, data.video.n - 1)));
  }
  function showFrame(f, fromVideo) {
    state.frame = Math.max(data.first_frame, Math.min(data.n_frames - 1, f));
    slider.value = state.frame;
    $("clock").textContent = clockText(state.frame);
    map.frame(state.frame);
    plots.forEach((p) => p.frame(state.frame));
    if (video && !fromVideo) { video.pause(); video.currentTime = videoTime(state.frame); }
  }
  slider.addEventListener("input", () => { stop(); showFrame(Number(slider.value)); });

  let timer = null;
  function stop() { clearInterval(timer); timer = null; $("play").textContent = "▶"; if (video) video.pause(); }
  $("play").addEventListener("click", () => {
    if (timer) { stop(); return; }
    $("play").textContent = "❚❚";
    if (video && data.video) {
      if (video.ended) video.currentTime = 0;
      video.play();
      timer = setInterval(() => { showFrame(videoFrame(video.currentTime), true); if (video.ended) stop(); }, 40);
    } else {
      timer = setInterval(() => { if (state.frame >= data.n_frames - 1) stop(); else showFrame(state.frame + 1); }, 60);
    }
  });

  // ---- particle --------------------------------------------------------------------------------
  function choose(id, keepFrame) {
    state.particle = id;
    map.highlight(id);
    plots.forEach((p) => p.highlight(id));
    document.querySelectorAll("#table-particles tbody tr").forEach((row) => row.classList.toggle("chosen", Number(row.dataset.key) === id));
    const box = $("particle"), path = paths.get(id), row = measured.get(id);
    box.replaceChildren();
    html("h3", {}, box, `Particle ${id}`);
    if (path && !keepFrame && at(path, state.frame) < 0) showFrame(path.f[0]);
    const pictures = data.crops[String(id)] || [], left = html("div", {}, box);
    if (pictures.length) {
      const cells = html("div", { class: "cells" }, left);
      for (const picture of pictures) {
        const figure = html("figure", {}, cells);
        html("img", { src: picture.src, alt: `Particle ${id} in frame ${picture.frame}` }, figure).addEventListener("click", () => showFrame(picture.frame));
        html("figcaption", {}, figure, `frame ${picture.frame}`);
      }
    }
    if (row) {
      const list = html("dl", {}, left);
      for (const [name, value] of numbersOf(row)) {
        const pair = html("div", {}, list), [label, unit] = data.labels[name];
        html("dt", {}, pair, label);
        html("dd", {}, pair, unit ? `${value} ${unit}` : value);
      }
    } else html("p", { class: "absent" }, left, "Nothing was measured of this particle; its track is too short.");
    if (path) particlePlots(html("div", { class: "grid" }, box), id, path, row);
  }

  function shortened(text) {
    const items = String(text).replace(/^\[(.*)\]$/, "$1").split(", ");
    return items.length > 8 ? `${items.slice(0, 6).join(", ")}, … (${items.length} in all)` : items.join(", ");
  }

  // a value, its error and its interval stand in columns of their own; here they are one line
  function numbersOf(row) {
    const text = (v) => typeof v === "number" ? exact(v) : shortened(v), out = [];
    for (const name of Object.keys(data.labels)) {
      const value = row[name];
      if (value === null || name === "particle" || value === "[]" || /_ci_(low|high)$|_std($|_)/.test(name)) continue;
      const stem = name.replace(/_(nm|px|rad)\d?(_(s|frame))?$/, "");
      const low = row[`${stem}_ci_low`], high = row[`${stem}_ci_high`];
      const near = typeof low === "number" && typeof high === "number" && low <= value && value <= high;
      const std = Object.entries(row).find(([k]) => k !== name && (k === `${name}_std` || k === name.replace(/^([^_]+)_/, "$1_std_")));
      out.push([name, text(value) + (near ? `  [${text(low)}, ${text(high)}]` : std && std[1] !== null ? ` ± ${text(std[1])}` : "")]);
    }
    return out;
  }

  function particlePlots(box, id, path, row) {
    const k = data.pixel_size_nm || 1, u = data.units.length;
    const mean = (a) => a.reduce((s, v) => s + v, 0) / a.length;
    const mx = mean(path.x), my = mean(path.y), frames = Array.from(path.f);
    const line = (values, m, name, colour) => ({ kind: "line", name, colour, x: frames, y: Array.from(values, (v) => (v - m) * k), width: 1.3 });
    const spec = { key: `particle_${id}_position`, title: "Position", width: 360, height: 270, caption: "", x: { label: "frame" }, y: { label: `about its mean (${u})` },
      series: [line(path.x, mx, "x", "#3b82d6"), line(path.y, my, "y", "#e69f00")] };
    Plot.create(box, spec, { onFrame: showFrame }).frame(state.frame);
    const curve = data.msd[String(id)];
    if (!curve) return;
    const series = [{ kind: "points", name: "measured", colour: "#3b82d6", x: curve[0], y: curve[1] }];
    const D = row && row[`D_${u}2_${data.units.time}`];
    if (D && ["brownian", "unknown", undefined].includes(row.motion)) {
      const sigma = row[`localization_${u}`] || 0, step = data.frame_interval_s || 1;
      const y = curve[0].map((t) => 4 * (D * t + sigma * sigma - 2 * data.blur * D * step));
      series.push({ kind: "line", name: "its own D", colour: "#d55e00", x: curve[0], y });
    }
    Plot.create(box, { key: `particle_${id}_msd`, title: "MSD", width: 360, height: 270, caption: "", x: { label: `lag (${data.units.time})`, log: true }, y: { label: `MSD (${u}²)`, log: true }, series });
  }

  // ---- events ----------------------------------------------------------------------------------
  const rejected = new Set();
  function chooseEvent(n) {
    const event = events[n];
    if (!event) return;
    showFrame(event.frame);
    if (event.particle_a !== null) choose(event.particle_a, true);
    document.querySelectorAll(".event").forEach((e) => e.classList.toggle("chosen", Number(e.dataset.key) === n));
    const card = document.querySelector(`.event[data-key="${n}"]`);
    if (card) card.parentElement.scrollTo({ top: card.offsetTop - card.parentElement.offsetTop - 8 });
  }
  function gallery() {
    const box = $("gallery");
    if (!box) return;
    const kinds = [...new Set(events.map((e) => e.kind))], select = $("event-kind");
    html("option", { value: "" }, select, "all");
    kinds.forEach((kind) => html("option", { value: kind }, select, kind));
    const fill = () => {
      box.replaceChildren();
      const listed = events.map((e, n) => [e, n]).filter(([e]) => !select.value || e.kind === select.value);
      listed.slice(0, 300).forEach(([e, n]) => eventCard(box, e, n));
      if (listed.length > 300) html("p", { class: "quiet" }, box, `The first 300 of ${listed.length} events; choose a kind, or see the table.`);
    };
    select.addEventListener("change", fill);
    fill();
    $("save-rejected").addEventListener("click", () => {
      const names = ["kind", "frame", "particle_a", "particle_b"];
      Plot.save("rejected_events.csv", Plot.csv([names, ...[...rejected].sort((a, b) => a - b).map((n) => names.map((k) => events[n][k]))]), "text/csv");
    });
  }
  function eventCard(box, e, n) {
    const card = html("article", { class: "event" + (rejected.has(n) ? " rejected" : ""), "data-key": n }, box);
    const head = html("header", {}, card);
    const who = [e.particle_a, e.particle_b].filter((p) => p !== null).join(" and ");
    html("span", {}, head, `${e.kind}, frame ${e.frame}` + (who ? `, particle${e.particle_b === null ? "" : "s"} ${who}` : ""));
    const label = html("label", { class: "quiet" }, head, (e.score === null ? "" : `score ${e.score.toFixed(2)} `));
    const tick = html("input", { type: "checkbox", title: "This is no event" }, label);
    tick.checked = rejected.has(n);
    tick.addEventListener("click", (click) => click.stopPropagation());
    tick.addEventListener("change", () => {
      if (tick.checked) rejected.add(n); else rejected.delete(n);
      card.classList.toggle("rejected", tick.checked);
      $("save-rejected").disabled = rejected.size === 0;
    });
    const strip = data.strips[String(n)];
    if (strip) {
      html("img", { src: strip, alt: `Frames around event ${n}`, loading: "lazy" }, card);
      const row = html("div", { class: "offsets" }, card);
      data.strip_offsets.forEach((o) => html(o === 0 ? "b" : "span", {}, row, o > 0 ? `+${o}` : String(o).replace("-", "−")));
    }
    card.addEventListener("click", () => chooseEvent(n));
  }

  // ---- tables ----------------------------------------------------------------------------------
  function sortable(id, source, rows, pick) {
    const box = $(`table-${id}`);
    if (!box) return;
    const names = source.names, text = names.map((n, k) => source.columns[k].some((v) => typeof v === "string"));
    let order = rows.map((_, i) => i), by = null, down = false, kept = order;
    const heads = html("tr", {}, html("thead", {}, box)), body = html("tbody", {}, box);
    names.forEach((name, k) => html("th", { scope: "col", class: text[k] ? "text" : "" }, heads, name).addEventListener("click", () => {
      down = by === k ? !down : false;
      by = k;
      heads.querySelectorAll("th").forEach((th, j) => j === k ? th.setAttribute("aria-sort", down ? "descending" : "ascending") : th.removeAttribute("aria-sort"));
      fill();
    }));
    const compare = (a, b) => {
      const u = source.columns[by][a], v = source.columns[by][b];
      if (u === null || v === null) return (u === null) - (v === null);
      return (u < v ? -1 : u > v ? 1 : 0) * (down ? -1 : 1);
    };
    function matcher(query) {
      const match = query.match(/^\s*(\w+)\s*(<=|>=|<|>|=)\s*(.+?)\s*$/), k = match ? names.findIndex((n) => n.toLowerCase() === match[1].toLowerCase()) : -1;
      if (k >= 0) {
        const limit = Number(match[3]);
        const test = { "<": (v) => v < limit, ">": (v) => v > limit, "<=": (v) => v <= limit, ">=": (v) => v >= limit,
          "=": (v) => v === limit || String(v).toLowerCase() === match[3].toLowerCase() }[match[2]];
        return (i) => source.columns[k][i] !== null && test(source.columns[k][i]);
      }
      const words = query.toLowerCase().split(/\s+/).filter(Boolean);
      return (i) => words.every((w) => source.columns.some((c) => c[i] !== null && String(c[i]).toLowerCase().includes(w)));
    }
    function fill() {
      kept = order.filter(matcher($(`filter-${id}`).value));
      if (by !== null) kept = [...kept].sort(compare);
      body.replaceChildren();
      for (const i of kept.slice(0, 1000)) {
        const row = html("tr", { "data-key": id === "particles" ? rows[i].particle : i }, body);
        names.forEach((n, k) => {
          const v = source.columns[k][i];
          html("td", text[k] ? { class: "text" } : {}, row, v === null ? "" : typeof v === "number" ? exact(v) : String(v));
        });
        row.addEventListener("click", () => pick(i));
      }
      $(`count-${id}`).textContent = `${kept.length} of ${rows.length}` + (kept.length > 1000 ? ", the first 1,000 listed" : "");
    }
    $(`filter-${id}`).addEventListener("input", fill);
    document.querySelector(`[data-csv="${id}"]`).addEventListener("click", () =>
      Plot.save(`${id}.csv`, Plot.csv([names, ...kept.map((i) => source.columns.map((c) => c[i]))]), "text/csv"));
    fill();
  }

  // ---- start -----------------------------------------------------------------------------------
  const handlers = { onParticle: (id) => choose(id), onEvent: chooseEvent, onFrame: (f) => { stop(); showFrame(f); } };
  document.querySelectorAll("[data-section]").forEach((box) => {
    for (const spec of data.plots[box.dataset.section] || []) plots.push(Plot.create(box, spec, handlers));
  });
  gallery();
  sortable("particles", data.particles, particles, (i) => choose(particles[i].particle));
  sortable("events", data.events, events, chooseEvent);
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  if (video) video.addEventListener("loadeddata", () => { if (!timer) video.currentTime = videoTime(state.frame); }, { once: true });
  showFrame(data.first_frame);
  document.documentElement.dataset.ready = String(plots.length);
})();
