// A chart of the numbers in a table: <div data-chart="bar|hbar|line" data-from="table's id">.
// Each row of its body is a point: the first cell names it, the first cell with data-v holds
// the number, and as text what is said of it. The table's caption names the chart.

import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, GridComponent, LineChart, SVGRenderer, TooltipComponent]);

const REDRAWN_WHEN = ['(prefers-color-scheme: dark)', '(prefers-reduced-motion: reduce)', 'print'];

function pointsOf(table) {
  return [...table.tBodies[0].rows].map((row) => {
    const cell = row.querySelector('[data-v]');
    return {
      name: row.cells[0].textContent.trim(),
      value: Number(cell.dataset.v),
      text: cell.textContent.trim(),
    };
  });
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
function words(point) {
  const name = document.createElement('div');
  const value = document.createElement('strong');
  name.dir = document.dir;
  name.textContent = point.name;
  value.textContent = point.text;
  return [name, value];
}

function letters() {
  return { color: colour('--muted'), fontFamily: getComputedStyle(document.body).fontFamily };
}

function namesAxis(points, lying) {
  return {
    type: 'category',
    data: points.map(({ name }) => inItsDirection(name)),
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
  const accent = colour('--ring');
  const data = points.map(({ value }) => value);
  if (kind === 'line') {
    const showSymbol = points.length === 1; // else there is nothing to see
    return { type: 'line', data, showSymbol, color: accent };
  }
  const borderRadius = kind === 'hbar' ? 3 : [3, 3, 0, 0];
  return { type: 'bar', data, color: accent, barMaxWidth: 28, itemStyle: { borderRadius } };
}

function tooltip(points) {
  return {
    trigger: 'axis',
    confine: true,
    axisPointer: { type: 'none' },
    backgroundColor: colour('--surface'),
    borderColor: colour('--line'),
    textStyle: { ...letters(), color: colour('--text') },
    formatter: ([{ dataIndex }]) => words(points[dataIndex]),
  };
}

function plan(kind, points) {
  return {
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
  let chart = null;

  function redraw() {
    if (!box.clientWidth || !box.clientHeight) return; // folded away
    chart ??= init(box, null, { renderer: 'svg' });
    chart.resize();
    chart.setOption(plan(box.dataset.chart, points), true);
  }

  box.style.direction = 'ltr'; // mirrored by its axes; else SVG turns its labels over as well
  box.setAttribute('role', 'img');
  if (table.caption) box.setAttribute('aria-label', table.caption.textContent.trim());
  new ResizeObserver(redraw).observe(box);
  document.addEventListener('theme', redraw);
  REDRAWN_WHEN.forEach((medium) => matchMedia(medium).addEventListener('change', redraw));
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ['dir'] });
}
