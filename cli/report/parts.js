'use strict';
// Pieces that every section is made of: elements, numbers as text, tables, images cut from a sheet.

const report = JSON.parse(document.getElementById('report').textContent);
const byId = (id) => document.getElementById(id);

/** An element with attributes (a function is a listener) and children: elements, text, or null. */
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined) made.append(child);
  return made;
}

const whole = (number) => number.toLocaleString('en-US');
const percent = (share, digits = 2) =>
    share === null || share === undefined ? '–' : (100 * share).toFixed(digits) + '%';
const fixed = (number, digits = 4) => number === null || number === undefined ? '–' : number.toFixed(digits);
const count = (number, one, many = one + 's') => `${whole(number)} ${number === 1 ? one : many}`;
/** Of probabilities: 99.99% must not become 100%. */
const sure = (share) => share >= 0.9995 && share < 1 ? '>99.9%' : percent(share, share >= 0.0995 ? 1 : 2);
/** Of a path, the last part. */
const dataName = report.data.source.replace(/\/+$/, '').split('/').pop() || report.data.source;
const className = (index) => report.model.classes[index] ?? String(index);

/** A table: the first cell of each row is its header; cells may be elements. */
function table(head, rows, attributes) {
  return element(
      'table', attributes,
      element('thead', null, element('tr', null, head.map((text) => element('th', {scope: 'col'}, text)))),
      element(
          'tbody', null,
          rows.map(
              ({cells, ...rest}) => element(
                  'tr', rest,
                  cells.map((cell, i) => i === 0 ? element('th', {scope: 'row'}, cell) : element('td', null, cell))))));
}
const scrolling = (label, inside) =>
    element('div', {class: 'scroll', tabindex: 0, role: 'group', 'aria-label': label}, inside);
const bar = (share, warm) => element(
    'span', {class: warm ? 'bar warm' : 'bar', 'aria-hidden': 'true'},
    element('i', {style: `width:${Math.max(0, Math.min(100, 100 * share)).toFixed(1)}%`}));

/** Instead of what is not there: why. */
function missing(id, why) {
  const section = byId(id);
  section.classList.add('empty');
  section.append(element('p', {class: 'note'}, why));
}

/** Images in one PNG: give(place, size, label) is a canvas with one of them, drawn once the PNG is unpacked. */
function openSheet(sheet) {
  const picture = new Image();
  const waiting = [];
  const draw = (canvas, place) => canvas.getContext('2d').drawImage(
      picture, place % sheet.columns * sheet.width, Math.floor(place / sheet.columns) * sheet.height, sheet.width,
      sheet.height, 0, 0, sheet.width, sheet.height);
  picture.onload = () => {
    for (const [canvas, place] of waiting.splice(0)) draw(canvas, place);
  };
  picture.src = 'data:image/png;base64,' + sheet.png;
  return (place, size, label) => {
    // Pixels stay squares of one size: enlarged by a whole number where there is room for it.
    const longest = Math.max(sheet.width, sheet.height);
    const scale = longest > size ? size / longest : Math.floor(size / longest);
    const canvas = element('canvas', {
      class: 'image',
      width: sheet.width,
      height: sheet.height,
      role: 'img',
      'aria-label': label,
      style: `width:${sheet.width * scale}px;height:${sheet.height * scale}px`
    });
    if (picture.complete && picture.naturalWidth > 0) draw(canvas, place);
    else waiting.push([canvas, place]);
    return canvas;
  };
}
