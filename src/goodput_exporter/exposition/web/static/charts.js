// Draws the state bar and the waterfall from the page's own data with Chart.js.
"use strict";

(() => {
  const read = () => JSON.parse(document.getElementById("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const color = (state) => css(`--${state}`);

  let data = read();
  let bar = null;
  let fall = null;
  let chosen = -1;

  // Time that nobody saw, and time in the queue, are neither good nor bad:
  // a hatch says so without a colour.
  const hatched = (context, state) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.fillStyle = color(state);
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = css("--hatch");
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) { pen.moveTo(shift, 8); pen.lineTo(shift + 8, 0); }
    pen.stroke();
    return context.createPattern(tile, "repeat");
  };

  const fill = (context, state) =>
    state === "state-unobserved" || state === "state-queued" ? hatched(context, state) : color(state);

  const rows = () => (data.segments.some((s) => s.missing) ? ["run", "missing"] : ["run"]);

  const barData = (context) => ({
    labels: rows(),
    datasets: [{
      data: data.segments.map((s) => ({ x: [s.from, s.to], y: s.missing ? "missing" : "run" })),
      backgroundColor: data.segments.map((s) => fill(context, s.state)),
      borderColor: data.segments.map((_, i) => (i === chosen ? css("--ink") : "transparent")),
      borderWidth: data.segments.map((_, i) => (i === chosen ? 3 : 0)),
      borderSkipped: false,
      barPercentage: 1,
      categoryPercentage: 0.94,
      minBarLength: 2,
    }],
  });

  const tickSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

  // Round local times, as many as the width has room for.
  const timeTicks = (axis) => {
    const room = Math.max(2, Math.floor(axis.chart.width / 110));
    const span = (data.to - data.from) / 1000;
    const step = 1000 * (tickSteps.find((s) => span / s <= room) || tickSteps.at(-1));
    const offset = new Date(data.from).getTimezoneOffset() * 60000;
    const first = Math.ceil((data.from - offset) / step) * step + offset;
    axis.ticks = [];
    for (let at = first; at <= data.to; at += step) axis.ticks.push({ value: at });
    axis.fine = step < 60000;
  };

  const timeLabel = (value, fine) => {
    const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (fine) options.second = "2-digit";
    if (data.to - data.from > 2 * 86400000) Object.assign(options, { month: "short", day: "numeric" });
    return new Date(value).toLocaleString(undefined, options);
  };

  const font = () => ({ family: getComputedStyle(document.body).fontFamily, size: 12 });

  const barOptions = () => ({
    indexAxis: "y",
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    layout: { padding: { top: 4 } },
    interaction: { mode: "nearest", axis: "x", intersect: true },
    plugins: { legend: { display: false }, tooltip: { enabled: false } },
    onHover: (_, active) => { if (active.length) choose(active[0].index); },
    scales: {
      x: {
        type: "linear",
        min: data.from,
        max: data.to,
        border: { display: false },
        grid: { display: false, drawTicks: true, tickLength: 5, tickColor: css("--line") },
        afterBuildTicks: timeTicks,
        ticks: {
          color: css("--soft"), font: font(), maxRotation: 0, autoSkip: false, align: "inner",
          callback(value) { return timeLabel(value, this.fine); },
        },
      },
      y: { display: rows().length > 1, border: { display: false }, grid: { display: false }, ticks: { color: css("--soft"), font: font() } },
    },
  });

  const layerColor = {
    infrastructure: "--state-down", framework: "--state-initializing", model: "--state-slow", peak: "--peak",
  };

  const fallColor = (step) =>
    css(step.kind === "whole" ? "--whole" : step.kind === "rest" ? "--state-productive" : layerColor[step.layer]);

  // Where a share is written: before a loss, behind what is left, and
  // inside the bar where neither side has room.
  const shareAt = (chart, box, width, kind) => {
    const gap = 7;
    const before = Math.min(box.x, box.base) - gap - width;
    const behind = Math.max(box.x, box.base) + gap;
    const fitsBefore = before >= chart.chartArea.left;
    const fitsBehind = behind + width <= chart.chartArea.right;
    if (kind === "loss" && fitsBefore) return before;
    if (fitsBehind) return behind;
    return fitsBefore ? before : Math.max(box.x, box.base) - gap - width;
  };

  // The share stands beside its bar, so that no axis has to be read.
  const shares = {
    id: "shares",
    afterDatasetsDraw(chart) {
      const pen = chart.ctx;
      pen.save();
      pen.font = `600 13px ${font().family}`;
      pen.textBaseline = "middle";
      chart.getDatasetMeta(0).data.forEach((element, index) => {
        const text = data.waterfall[index].text;
        const box = element.getProps(["x", "base", "y"], true);
        pen.fillStyle = css("--ink");
        pen.fillText(text, shareAt(chart, box, pen.measureText(text).width, data.waterfall[index].kind), box.y);
      });
      pen.restore();
    },
  };

  const fallData = () => ({
    labels: data.waterfall.map((step) => step.label),
    datasets: [{
      data: data.waterfall.map((step) => [step.low, step.high]),
      backgroundColor: data.waterfall.map(fallColor),
      borderRadius: 2,
      borderSkipped: false,
      barPercentage: 0.78,
      categoryPercentage: 0.94,
      minBarLength: 1,
    }],
  });

  const fallOptions = () => ({
    indexAxis: "y",
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    events: [],
    plugins: { legend: { display: false }, tooltip: { enabled: false } },
    scales: {
      x: { min: 0, max: 100, display: false },
      y: { border: { display: false }, grid: { display: false }, ticks: { color: css("--ink"), font: { ...font(), size: 13 }, crossAlign: "far", padding: 8, autoSkip: false } },
    },
  });

  const when = (s) => {
    const [from, to] = [new Date(s.from), new Date(s.to)];
    const said = window.goodputLocalTime;
    return `${said(from, "clock")} to ${said(to, "clock", from)}`;
  };

  const sentence = (s) => [
    s.cause ? `${s.name} (${s.cause})` : s.name,
    when(s),
    s.length,
    s.gpu_time,
    s.steps,
    s.evidence,
  ].filter(Boolean);

  const swatch = (state) => {
    const image = document.querySelector(".swatch").cloneNode(true);
    image.querySelector("rect").setAttribute("class", state);
    return image;
  };

  // Names reach the page as text, never as markup.
  const say = () => {
    const segment = data.segments[chosen];
    const canvas = document.getElementById("bar");
    canvas.setAttribute("aria-valuemax", String(data.segments.length));
    if (!segment) return;
    const [name, ...rest] = sentence(segment);
    canvas.setAttribute("aria-valuenow", String(chosen + 1));
    canvas.setAttribute("aria-valuetext", [name, ...rest].join(", "));
    const strong = document.createElement("strong");
    strong.textContent = name;
    const detail = document.createElement("span");
    detail.textContent = ` · ${rest.join(" · ")}`;
    document.getElementById("readout").replaceChildren(swatch(segment.state), strong, detail);
  };

  const choose = (index) => {
    if (index === chosen || !data.segments.length) return;
    chosen = Math.min(Math.max(index, 0), data.segments.length - 1);
    const dataset = bar.data.datasets[0];
    const fresh = barData(bar.ctx).datasets[0];
    dataset.borderColor = fresh.borderColor;
    dataset.borderWidth = fresh.borderWidth;
    bar.update("none");
    say();
  };

  const keys = {
    ArrowRight: () => chosen + 1,
    ArrowUp: () => chosen + 1,
    ArrowLeft: () => chosen - 1,
    ArrowDown: () => chosen - 1,
    Home: () => 0,
    End: () => data.segments.length - 1,
  };

  const onKey = (event) => {
    if (!(event.key in keys)) return;
    event.preventDefault();
    choose(keys[event.key]());
  };

  const draw = () => {
    const canvas = document.getElementById("bar");
    canvas.parentElement.classList.toggle("two", rows().length > 1);
    const context = canvas.getContext("2d");
    if (bar) {
      bar.options = barOptions();
      bar.data = barData(context);
      bar.update("none");
    } else {
      bar = new Chart(context, { type: "bar", data: barData(context), options: barOptions() });
    }
    const second = document.getElementById("waterfall");
    if (!second) return;
    if (fall) {
      fall.options = fallOptions();
      fall.data = fallData();
      fall.update("none");
    } else {
      fall = new Chart(second.getContext("2d"), { type: "bar", data: fallData(), options: fallOptions(), plugins: [shares] });
    }
  };

  // What a person looks at stays chosen while the timeline grows under it.
  const onFresh = () => {
    const kept = data.segments[chosen];
    data = read();
    chosen = kept ? data.segments.findIndex((s) => s.from <= kept.from && kept.from < s.to && s.missing === kept.missing) : -1;
    draw();
    say();
  };

  const start = () => {
    const canvas = document.getElementById("bar");
    canvas.addEventListener("keydown", onKey);
    canvas.addEventListener("focus", () => { if (chosen < 0) choose(data.segments.length - 1); });
    document.addEventListener("fresh-data", onFresh);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    draw();
    say();
    document.fonts.ready.then(draw);
  };

  // Both scripts are deferred; this one needs the other's local times.
  document.addEventListener("DOMContentLoaded", start);
})();
