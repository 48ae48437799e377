"use strict";
// Small plots as SVG: linear and logarithmic axes, series of a few kinds, a tip under the pointer,
// and each plot saved as SVG, PNG or CSV.
const Plot = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const wide = (spec) => spec.width || 460;
  const CHOSEN = "#e5399b";
  const MARGIN = { left: 70, right: 14, top: 10, bottom: 44 };

  function node(name, attributes, parent, text) {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.appendChild(element);
    return element;
  }

  function html(name, attributes, parent, text) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.appendChild(element);
    return element;
  }

  const usable = (v, log) => v !== null && v !== undefined && Number.isFinite(v) && (!log || v > 0);

  function extent(spec, which) {
    const axis = spec[which];
    let low = Infinity, high = -Infinity;
    const take = (v) => { if (usable(v, axis.log)) { low = Math.min(low, v); high = Math.max(high, v); } };
    for (const s of spec.series) {
      s[which].forEach(take);
      const spread = s.kind === "bars" ? "x" : "y";
      if (which === spread) { (s.low || []).forEach(take); (s.high || []).forEach(take); }
    }
    if (axis.names) return [-0.6, axis.names.length - 0.4];
    if (low > high) [low, high] = axis.log ? [0.1, 10] : [0, 1];
    if (axis.log) {
      const pad = Math.max(Math.pow(high / low, 0.05), 1.08);
      [low, high] = [low / pad, high * pad];
    } else {
      const pad = 0.05 * (high - low) || Math.abs(high) * 0.1 || 1;
      [low, high] = [low - pad, high + pad];
    }
    if (axis.min !== null && axis.min !== undefined) low = axis.min;
    if (axis.max !== null && axis.max !== undefined && axis.max > low) high = axis.max;
    return [low, high];
  }

  function scale(axis, range, pixels) {
    const f = axis.log ? Math.log10 : (v) => v;
    const a = f(range[0]), b = f(range[1]);
    const map = (v) => pixels[0] + ((f(v) - a) / (b - a)) * (pixels[1] - pixels[0]);
    map.range = range;
    return map;
  }

  function linearTicks(low, high, wanted, whole) {
    const raw = Math.max((high - low) / wanted, whole ? 1 : 0);
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
    const out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(k * step);
    return out.map((v) => [v, tidy(Math.abs(v) < step * 1e-6 ? 0 : v)]);
  }

  function logTicks(low, high) {
    const out = [];
    const decades = Math.log10(high / low);
    const every = Math.max(1, Math.ceil(decades / 7));
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const m of decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 3 ? [1, 2, 5] : [1]) {
        const v = m * Math.pow(10, e);
        if (v >= low * 0.9999 && v <= high * 1.0001 && (m > 1 || e % every === 0)) out.push([v, tidy(v)]);
      }
    }
    return out.length > 1 ? out : linearTicks(low, high, 4).filter(([v]) => v > 0);
  }

  function tidy(v) {
    if (v === 0) return "0";
    const a = Math.abs(v);
    if (a >= 1e5 || a < 1e-3) {
      const [m, e] = v.toExponential(2).split("e");
      const mantissa = String(parseFloat(m));
      const power = String(parseInt(e, 10)).replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(c)] || "⁻");
      return (mantissa === "1" ? "" : mantissa + "·") + "10" + power;
    }
    return String(parseFloat(v.toPrecision(4)));
  }

  // ids, frames and counts are never rounded
  const exact = (v) => Number.isInteger(v) ? String(v) : tidy(v);

  function axes(svg, spec, sx, sy, height) {
    const inner = { x0: MARGIN.left, x1: wide(spec) - MARGIN.right, y0: topOf(spec), y1: height - MARGIN.bottom };
    const ticks = (axis, s, wanted) => axis.names ? axis.names.map((n, i) => [i, n])
      : axis.log ? logTicks(...s.range) : linearTicks(...s.range, wanted, axis.whole);
    const style = { "font-size": 13, fill: "currentColor" };
    for (const [v, text] of ticks(spec.x, sx, Math.round(wide(spec) / 95))) {
      node("line", { x1: sx(v), x2: sx(v), y1: inner.y0, y2: inner.y1, stroke: "currentColor", "stroke-opacity": 0.09 }, svg);
      node("text", { x: sx(v), y: inner.y1 + 17, "text-anchor": "middle", ...style }, svg, text);
    }
    for (const [v, text] of ticks(spec.y, sy, height < 220 ? 3 : 5)) {
      node("line", { x1: inner.x0, x2: inner.x1, y1: sy(v), y2: sy(v), stroke: "currentColor", "stroke-opacity": 0.09 }, svg);
      node("text", { x: inner.x0 - 7, y: sy(v) + 4, "text-anchor": "end", ...style }, svg, text);
    }
    node("path", { d: `M${inner.x0},${inner.y0}V${inner.y1}H${inner.x1}`, fill: "none", stroke: "currentColor", "stroke-opacity": 0.5 }, svg);
    node("text", { x: (inner.x0 + inner.x1) / 2, y: height - 8, "text-anchor": "middle", ...style, "font-size": 14 }, svg, spec.x.label);
    const middle = (inner.y0 + inner.y1) / 2;
    node("text", { x: 13, y: middle, transform: `rotate(-90 13 ${middle})`, "text-anchor": "middle", ...style, "font-size": 14 }, svg, spec.y.label);
    return inner;
  }

  function path(s, sx, sy, spec) {
    let d = "", pen = false;
    s.x.forEach((x, i) => {
      if (!usable(x, spec.x.log) || !usable(s.y[i], spec.y.log)) { pen = false; return; }
      const px = sx(x).toFixed(1), py = sy(s.y[i]).toFixed(1);
      d += pen ? (s.kind === "steps" ? `H${px}V${py}` : `L${px},${py}`) : `M${px},${py}`;
      pen = true;
    });
    return d;
  }

  const draw = {
    line(g, s, sx, sy, spec) {
      const attributes = { d: path(s, sx, sy, spec), fill: "none", stroke: s.colour, "stroke-width": s.width || 1.8, "stroke-linejoin": "round" };
      if (s.opacity) attributes["stroke-opacity"] = s.opacity;
      if (s.dash) attributes["stroke-dasharray"] = s.dash;
      const line = node("path", attributes, g);
      if (s.particle !== undefined) { line.dataset.particle = s.particle; line.classList.add("hit"); }
    },
    steps(g, s, sx, sy, spec) { draw.line(g, s, sx, sy, spec); },
    band(g, s, sx, sy) {
      const up = s.x.map((x, i) => `${sx(x).toFixed(1)},${sy(s.high[i]).toFixed(1)}`);
      const down = s.x.map((x, i) => `${sx(x).toFixed(1)},${sy(s.low[i]).toFixed(1)}`).reverse();
      node("polygon", { points: [...up, ...down].join(" "), fill: s.colour, "fill-opacity": 0.18 }, g);
    },
    points(g, s, sx, sy, spec) {
      s.x.forEach((x, i) => {
        if (!usable(x, spec.x.log) || !usable(s.y[i], spec.y.log)) return;
        const dot = node("circle", { cx: sx(x).toFixed(1), cy: sy(s.y[i]).toFixed(1), r: 3, fill: s.colour }, g);
        if (s.ids) { dot.dataset.particle = s.ids[i]; dot.classList.add("hit"); }
      });
    },
    errors(g, s, sx, sy, spec) {
      s.x.forEach((x, i) => {
        const low = usable(s.low[i], spec.y.log) ? s.low[i] : sy.range[0];
        if (!usable(s.y[i], spec.y.log) || !usable(s.high[i], spec.y.log)) return;
        node("line", { x1: sx(x), x2: sx(x), y1: sy(low).toFixed(1), y2: sy(s.high[i]).toFixed(1), stroke: s.colour, "stroke-opacity": 0.45 }, g);
      });
      draw.points(g, s, sx, sy, spec);
    },
    bars(g, s, sx, sy) {
      s.y.forEach((y, i) => {
        const a = sx(s.low[i]), b = sx(s.high[i]), top = sy(y), foot = sy(sy.range[0]);
        node("rect", { x: a + 0.5, y: top, width: Math.max(0.5, b - a - 1), height: Math.max(0, foot - top), fill: s.colour, "fill-opacity": 0.8 }, g);
      });
    },
    span(g, s, sx, sy, spec) {
      const a = sx(s.x[0]), b = sx(s.x[1]), top = topOf(spec), foot = sy(sy.range[0]);
      node("rect", { x: a, y: top, width: Math.max(1, b - a), height: foot - top, fill: s.colour, "fill-opacity": 0.2 }, g);
      node("line", { x1: sx(s.value), x2: sx(s.value), y1: top, y2: foot, stroke: s.colour, "stroke-width": 2 }, g);
    },
    marks(g, s, sx, sy) {
      s.x.forEach((x, i) => {
        const mark = node("rect", { x: sx(x) - 2, y: sy(s.y[i]) - 11, width: 4, height: 22, rx: 2, fill: s.colour, "fill-opacity": 0.8, class: "hit" }, g);
        mark.dataset.event = s.events[i];
      });
    },
  };

  const named = (spec) => spec.series.filter((s) => s.name);
  const topOf = (spec) => MARGIN.top + (named(spec).length ? 18 : 0);

  function legend(svg, spec, inner) {
    let x = inner.x0;
    for (const s of named(spec)) {
      const y = inner.y0 - 8;
      if (s.kind === "points" || s.kind === "errors") node("circle", { cx: x + 9, cy: y - 4, r: 3.5, fill: s.colour }, svg);
      else node("line", { x1: x, x2: x + 18, y1: y - 4, y2: y - 4, stroke: s.colour, "stroke-width": 2.5 }, svg);
      node("text", { x: x + 24, y, "font-size": 12, fill: "currentColor" }, svg, s.name);
      x += 44 + 6.6 * s.name.length;
    }
  }

  function nearest(spec, sx, sy, px, py) {
    let best = null, distance = 14 * 14;
    for (const s of spec.series) {
      if (s.kind === "band" || s.kind === "span" || (s.kind === "line" && s.particle === undefined && !s.name && s.x.length < 3)) continue;
      s.x.forEach((x, i) => {
        if (!usable(x, spec.x.log) || !usable(s.y[i], spec.y.log)) return;
        const d = (sx(x) - px) ** 2 + (s.kind === "bars" ? 0 : (sy(s.y[i]) - py) ** 2);
        if (d < distance) { distance = d; best = { s, i }; }
      });
    }
    return best;
  }

  let tipBox = null;
  function tip(event, text) {
    if (!tipBox) tipBox = html("div", { class: "tip", hidden: "" }, document.body);
    tipBox.hidden = !text;
    if (!text) return;
    tipBox.textContent = text;
    tipBox.style.left = Math.min(event.clientX + 14, window.innerWidth - tipBox.offsetWidth - 8) + "px";
    tipBox.style.top = event.clientY + 12 + "px";
  }

  function describe(spec, { s, i }) {
    const who = s.ids ? `particle ${s.ids[i]}: ` : s.particle !== undefined ? `particle ${s.particle}: ` : s.name ? s.name + ": " : "";
    const y = spec.y.names ? spec.y.names[s.y[i]] : tidy(s.y[i]);
    const spread = s.kind === "errors" ? ` (${tidy(s.low[i])} to ${tidy(s.high[i])})` : "";
    const x = s.kind === "bars" ? `${tidy(s.low[i])} to ${tidy(s.high[i])}` : tidy(s.x[i]);
    return spec.y.names ? `${y}, frame ${x}` : `${who}${y}${spread} at ${x}`;
  }

  function create(container, spec, handlers = {}) {
    const box = html("div", { class: wide(spec) > 800 ? "plot wide" : "plot", id: `plot-${spec.key}` }, container);
    html("h3", {}, box, spec.title);
    const height = spec.height || 300;
    const svg = node("svg", { viewBox: `0 0 ${wide(spec)} ${height}`, role: "img", "aria-label": spec.title }, box);
    const sx = scale(spec.x, extent(spec, "x"), [MARGIN.left, wide(spec) - MARGIN.right]);
    const sy = scale(spec.y, extent(spec, "y"), [height - MARGIN.bottom, topOf(spec)]);
    const inner = axes(svg, spec, sx, sy, height);
    const clip = `clip-${spec.key}`;
    const shape = node("clipPath", { id: clip }, node("defs", {}, svg));
    node("rect", { x: inner.x0, y: inner.y0 - 4, width: inner.x1 - inner.x0 + 4, height: inner.y1 - inner.y0 + 4 }, shape);
    const content = node("g", { "clip-path": `url(#${clip})` }, svg);
    for (const s of spec.series) draw[s.kind](content, s, sx, sy, spec);
    legend(svg, spec, inner);
    const cursor = spec.x.label === "frame" ? node("line", { y1: inner.y0, y2: inner.y1, stroke: "#d55e00", "stroke-width": 1.2, "stroke-opacity": 0.8, class: "cursor" }, svg) : null;
    const chosen = node("g", { class: "chosen-marks" }, svg);
    svg.addEventListener("mousemove", (event) => {
      const r = svg.getBoundingClientRect(), k = wide(spec) / r.width;
      const found = nearest(spec, sx, sy, (event.clientX - r.left) * k, (event.clientY - r.top) * k);
      tip(event, found ? describe(spec, found) : "");
    });
    svg.addEventListener("mouseleave", () => tip(null, ""));
    svg.addEventListener("click", (event) => {
      const data = event.target.dataset || {};
      if (data.particle !== undefined && handlers.onParticle) handlers.onParticle(Number(data.particle));
      else if (data.event !== undefined && handlers.onEvent) handlers.onEvent(Number(data.event));
      else if (cursor && handlers.onFrame) {
        const r = svg.getBoundingClientRect(), px = ((event.clientX - r.left) * wide(spec)) / r.width;
        const share = (px - inner.x0) / (inner.x1 - inner.x0);
        if (share >= 0 && share <= 1) handlers.onFrame(Math.round(sx.range[0] + share * (sx.range[1] - sx.range[0])));
      }
    });
    if (spec.caption) html("p", { class: "quiet" }, box, spec.caption);
    saveButtons(box, svg, spec);
    return {
      spec,
      frame(f) { if (cursor) { cursor.setAttribute("x1", sx(f)); cursor.setAttribute("x2", sx(f)); } },
      highlight(particle) {
        chosen.replaceChildren();
        for (const s of spec.series) {
          if (s.particle === particle) node("path", { d: path(s, sx, sy, spec), fill: "none", stroke: CHOSEN, "stroke-width": 2.4 }, chosen);
          (s.ids || []).forEach((id, i) => {
            if (id === particle && usable(s.y[i], spec.y.log)) node("circle", { cx: sx(s.x[i]), cy: sy(s.y[i]), r: 6.5, fill: "none", stroke: CHOSEN, "stroke-width": 2.4 }, chosen);
          });
        }
      },
    };
  }

  function standalone(svg, title) {
    const copy = svg.cloneNode(true);
    const [, , w, h] = svg.getAttribute("viewBox").split(" ").map(Number);
    copy.setAttribute("xmlns", NS);
    copy.setAttribute("width", w);
    copy.setAttribute("height", h);
    copy.setAttribute("style", "color:#1d2430;font-family:Arial,Helvetica,sans-serif");
    copy.querySelectorAll(".cursor").forEach((e) => e.remove());
    const paper = node("rect", { width: w, height: h, fill: "#ffffff" });
    copy.insertBefore(paper, copy.firstChild);
    copy.insertBefore(node("title", {}, null, title), copy.firstChild);
    return { text: new XMLSerializer().serializeToString(copy), w, h };
  }

  function save(name, content, type) {
    const link = html("a", { download: name });
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 2000);
  }

  function png(svg, title, name) {
    const { text, w, h } = standalone(svg, title);
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = 2 * w;
      canvas.height = 2 * h;
      canvas.getContext("2d").drawImage(image, 0, 0, 2 * w, 2 * h);
      canvas.toBlob((blob) => save(name, blob), "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  }

  const quote = (v) => v === null || v === undefined ? "" : /[",\n]/.test(String(v)) ? `"${String(v).replace(/"/g, '""')}"` : String(v);
  const csv = (rows) => rows.map((row) => row.map(quote).join(",")).join("\n") + "\n";

  function plotCsv(spec) {
    const rows = [["series", "particle", spec.x.label, spec.y.label || "kind", "low", "high"]];
    for (const s of spec.series) {
      if (s.kind === "span") { rows.push([s.name, "", s.value, "", s.x[0], s.x[1]]); continue; }
      s.x.forEach((x, i) => rows.push([s.name || s.kind, s.ids ? s.ids[i] : s.particle, x,
        spec.y.names ? spec.y.names[s.y[i]] : s.y[i], s.low && s.low[i], s.high && s.high[i]]));
    }
    return csv(rows);
  }

  function saveButtons(box, svg, spec, table) {
    const bar = html("div", { class: "save" }, box);
    const button = (text, action) => html("button", { type: "button", title: `Save as ${text}` }, bar, text).addEventListener("click", action);
    button("SVG", () => save(`${spec.key}.svg`, standalone(svg, spec.title).text, "image/svg+xml"));
    button("PNG", () => png(svg, spec.title, `${spec.key}.png`));
    button("CSV", () => save(`${spec.key}.csv`, table ? table() : plotCsv(spec), "text/csv"));
  }

  return { CHOSEN, create, node, html, tidy, exact, save, csv, saveButtons, tip, plotCsv, standalone };
})();
