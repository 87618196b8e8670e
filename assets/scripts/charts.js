// A chart of the numbers in a table: <div data-chart="bar|hbar|line" data-from="table's id">.
// Each row of its first body is a point: the first cell names it, the first cell with data-v
// holds the number, and as text, or in data-said, what is said of it; a row without is not drawn.
// Rows of one name stand on one another where data-series tells them apart, 1 to 4, the colours
// of --series-1 to --series-4. The table's caption names the chart.

import { BarChart, LineChart } from 'echarts/charts';
import { AriaComponent, GridComponent, TooltipComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([AriaComponent, BarChart, GridComponent, LineChart, SVGRenderer, TooltipComponent]);

// What tells the kinds apart besides their colours; the legend draws the same in CSS.
const PATTERNS = {
  2: { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4 },
  3: { symbol: 'circle', symbolSize: 0.5, dashArrayX: [[6, 6], [0, 6, 6, 0]], dashArrayY: [6, 0] },
  4: { symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 5] },
};

const REDRAWN_WHEN = ['(prefers-color-scheme: dark)', '(prefers-reduced-motion: reduce)', 'print'];

function pointsOf(table) {
  return [...table.tBodies[0].rows].flatMap((row) => {
    const cell = row.querySelector('[data-v]');
    if (!cell) return [];
    return {
      name: row.cells[0].textContent.trim(),
      value: Number(cell.dataset.v),
      text: cell.dataset.said ?? cell.textContent.trim(),
      of: cell.dataset.series ?? '',
    };
  });
}

function namesOf(points) {
  return [...new Set(points.map(({ name }) => name))];
}

function colour(token) {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function shortNumber() {
  const language = document.documentElement.lang || 'en';
  const format = new Intl.NumberFormat(`${language}-u-nu-latn`, { notation: 'compact' });
  return (number) => inItsDirection(format.format(number));
}

/** Where a page runs from right to left, its words do so within the chart, which does not. */
function inItsDirection(text) {
  return isMirrored() ? `\u2067${text}\u2069` : text;
}

function isMirrored() {
  return document.dir === 'rtl';
}

/** Built as elements: text of people's making, and no style attributes. */
function words(points) {
  const name = document.createElement('div');
  name.dir = document.dir;
  name.textContent = points[0].name;
  const values = points.map(({ text }) => {
    const value = document.createElement('strong');
    value.className = 'chart-said';
    value.dir = 'auto';
    value.textContent = text;
    return value;
  });
  return [name, ...values];
}

function letters() {
  return { color: colour('--muted'), fontFamily: getComputedStyle(document.body).fontFamily };
}

function namesAxis(points, lying) {
  return {
    type: 'category',
    data: namesOf(points).map(inItsDirection),
    axisLabel: { ...letters(), hideOverlap: true },
    axisTick: { show: false },
    axisLine: { lineStyle: { color: colour('--line') } },
    inverse: lying || isMirrored(), // rows of a table are read downward
    position: lying && isMirrored() ? 'right' : undefined,
  };
}

function numbersAxis(lying) {
  return {
    type: 'value',
    axisLabel: { ...letters(), formatter: shortNumber() },
    splitLine: { lineStyle: { color: colour('--line') } },
    splitNumber: 3,
    inverse: lying && isMirrored(),
    position: !lying && isMirrored() ? 'right' : undefined,
  };
}

function axes(kind, points) {
  const lying = kind === 'hbar';
  const [names, numbers] = [namesAxis(points, lying), numbersAxis(lying)];
  return lying ? { xAxis: numbers, yAxis: names } : { xAxis: names, yAxis: numbers };
}

function series(kind, points) {
  const told = [...new Set(points.map(({ of }) => of))];
  return told.map((of) => {
    const values = new Map(points.filter((one) => one.of === of).map((p) => [p.name, p.value]));
    const data = namesOf(points).map((name) => values.get(name) ?? 0);
    const color = colour(of ? `--series-${of}` : '--ring');
    return kind === 'line' ? line(data, color) : bars(kind, data, color, told.length > 1 ? of : '');
  });
}

function line(data, color) {
  const showSymbol = data.length === 1; // else there is nothing to see
  return { type: 'line', data, showSymbol, color };
}

/** Bars; of several kinds they stand on one another, apart by a line of the ground's colour and patterns. */
function bars(kind, data, color, of) {
  const whole = { type: 'bar', data, color, barMaxWidth: 28 };
  if (of) {
    const decal = PATTERNS[of] && { ...PATTERNS[of], color: colour('--surface') };
    return { ...whole, stack: 'all', itemStyle: { decal, borderColor: colour('--surface'), borderWidth: 1 } };
  }
  return { ...whole, itemStyle: { borderRadius: kind === 'hbar' ? 3 : [3, 3, 0, 0] } };
}

function tooltip(points) {
  return {
    trigger: 'axis',
    confine: true,
    axisPointer: { type: 'none' },
    backgroundColor: colour('--surface'),
    borderColor: colour('--line'),
    textStyle: { ...letters(), color: colour('--text') },
    formatter: ([{ dataIndex }]) => {
      const name = namesOf(points)[dataIndex];
      return words(points.filter((point) => point.name === name));
    },
  };
}

function plan(kind, points) {
  return {
    aria: { enabled: true, label: { enabled: false } }, // patterns; what it says is English alone
    animation: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    grid: { left: 8, right: 12, top: 12, bottom: 4, outerBoundsMode: 'same' }, // labels within
    tooltip: tooltip(points),
    series: series(kind, points),
    ...axes(kind, points),
  };
}

/** Draw a chart, and again whenever its place, the theme or the direction changes. */
export function draw(box) {
  const table = document.getElementById(box.dataset.from);
  const points = pointsOf(table);
  const gone = new AbortController();
  const { signal } = gone;
  const sizes = new ResizeObserver(redraw);
  const directions = new MutationObserver(redraw);
  let chart = null;

  function redraw() {
    if (!box.isConnected) { // its part of the page was read anew: an observer says so once
      [sizes, directions].forEach((observer) => observer.disconnect());
      gone.abort();
      chart?.dispose();
      return;
    }
    if (!box.clientWidth || !box.clientHeight) return; // folded away
    chart ??= init(box, null, { renderer: 'svg' });
    chart.resize();
    chart.setOption(plan(box.dataset.chart, points), true);
  }

  box.style.direction = 'ltr'; // mirrored by its axes; else SVG turns its labels over as well
  box.setAttribute('role', 'img');
  if (table.caption) box.setAttribute('aria-label', table.caption.textContent.trim());
  sizes.observe(box);
  document.addEventListener('theme', redraw, { signal });
  REDRAWN_WHEN.forEach((medium) => matchMedia(medium).addEventListener('change', redraw, { signal }));
  directions.observe(document.documentElement, { attributeFilter: ['dir'] });
}
