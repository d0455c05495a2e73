// The numbers of the bridge as they change: what /metrics counts, read each second while somebody looks.
const EVERY_MS = 1000;
const KEPT = 120; // readings: two minutes
const OVER = 5; // readings that a latency is taken of
const WIDTH = 240;
const HEIGHT = 48;
const SVG = "http://www.w3.org/2000/svg";

const sum = (reading, what) => reading.upstreams.reduce((total, upstream) => total + upstream[what], 0);

/** What grew from one reading to a later one, a second. */
function rate(from, to, read) {
  const seconds = (to.ms - from.ms) / 1000;
  return seconds > 0 ? Math.max(0, read(to) - read(from)) / seconds : 0;
}

/** Calls by how long they took, of all upstreams, between two readings. */
function calledBetween(from, to) {
  return to.upstreams.reduce((counts, upstream) => {
    const before = from.upstreams.find(({ name }) => name === upstream.name);
    return upstream.buckets.map((count, i) => (counts[i] ?? 0) + Math.max(0, count - (before?.buckets[i] ?? 0)));
  }, []);
}

/** The time, in ms, that `part` of these calls were answered in: to within a bucket. null where there were none. */
export function quantile(counts, bounds, part) {
  const total = counts.reduce((a, b) => a + b, 0);
  if (total === 0) return null;
  let left = part * total;
  for (let i = 0; i < counts.length; i++) {
    if (left <= counts[i] && counts[i] > 0) {
      const low = i === 0 ? 0 : bounds[i - 1];
      const high = bounds[i] ?? bounds[bounds.length - 1];
      return (low + (high - low) * (left / counts[i])) * 1000;
    }
    left -= counts[i];
  }
  return bounds[bounds.length - 1] * 1000;
}

export function showNumber(value, unit) {
  if (value === null) return "–";
  if (unit === "bytes") {
    const units = ["B", "KiB", "MiB", "GiB"];
    let at = 0;
    for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
    return `${value.toFixed(at === 0 || value >= 100 ? 0 : 1)} ${units[at]}/s`;
  }
  const text = value >= 99.5 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toPrecision(2);
  return unit ? `${text} ${unit}` : text;
}

/** Each chart: a title, a unit, and what its lines show of the readings up to the one at `at`. */
const charts = [
  { title: "Calls", unit: "/s", lines: [
    { name: "passed on", of: (all, at) => rate(all[at - 1], all[at], (reading) => sum(reading, "calls")) },
    { name: "refused", of: (all, at) => rate(all[at - 1], all[at], (reading) => reading.refusedCalls) }] },
  { title: "Time to the answer", unit: "ms", lines: [0.5, 0.99].map((part) => ({
    name: `p${part * 100}`,
    of: (all, at) => quantile(calledBetween(all[Math.max(0, at - OVER)], all[at]), all[at].bounds, part) })) },
  { title: "Connections", unit: "", lines: [
    { name: "pages", of: (all, at) => all[at].pages },
    { name: "Python peers", of: (all, at) => all[at].native }] },
  { title: "Bytes", unit: "bytes", lines: [
    { name: "in", of: (all, at) => rate(all[at - 1], all[at], (reading) => reading.receivedBytes) },
    { name: "out", of: (all, at) => rate(all[at - 1], all[at], (reading) => reading.sentBytes) }] },
];

function make(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function makeChart(chart, place) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const title = document.createElement("b");
  title.textContent = chart.title;
  caption.append(title);
  chart.values = chart.lines.map(({ name }, i) => {
    const label = document.createElement("span");
    label.dataset.line = String(i);
    const value = document.createElement("output");
    label.append(`${name} `, value);
    caption.append(label);
    return value;
  });
  figure.append(caption);
  const picture = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": chart.title }, figure);
  chart.drawn = chart.lines.map((_, i) => make("polyline", { points: "", "data-line": i }, picture));
  place.append(figure);
}

function draw(chart, readings) {
  const series = chart.lines.map(({ of }) => readings.slice(1).map((_, i) => of(readings, i + 1)));
  const most = Math.max(1e-9, ...series.flat().map((value) => value ?? 0));
  series.forEach((values, line) => {
    chart.values[line].textContent = showNumber(values.length > 0 ? values[values.length - 1] : null, chart.unit);
    chart.drawn[line].setAttribute("points", values.map((value, i) => {
      const x = WIDTH - (values.length - 1 - i) * (WIDTH / (KEPT - 2));
      return `${x.toFixed(1)},${(HEIGHT - 2 - (HEIGHT - 4) * ((value ?? 0) / most)).toFixed(1)}`;
    }).join(" "));
  });
}

/** Draws into `place` for as long as the page lives; it stays hidden where there are no numbers. */
export function startCharts(place) {
  const readings = [];
  let made = false;
  function show(reading) {
    readings.push(reading);
    if (readings.length > KEPT) readings.shift();
    if (!made) for (const chart of charts) makeChart(chart, place);
    made = true;
    place.closest("section").hidden = false;
    for (const chart of charts) draw(chart, readings);
  }
  async function read() {
    if (!document.hidden) {
      try {
        const response = await fetch("numbers.json", { cache: "no-store" });
        if (response.status === 404) return; // an older bridge: it has none
        if (response.ok) show(await response.json());
      } catch { /* the bridge is away: it may be back */ }
    }
    setTimeout(read, EVERY_MS);
  }
  read();
}
