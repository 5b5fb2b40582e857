// What was taken for what: the matrix, the images of a cell, and the worst mistakes.

let sampleImage = null;

// A table of a million buttons is of no use.
const mostClasses = 64;

/** The classes that the matrix shows: all, or where there are too many those with the most mistakes. */
function classesShown(rows) {
  const all = rows.map((_, c) => c);
  if (all.length <= mostClasses) return all;
  const mistakes = (c) => rows.reduce((sum, row, t) => sum + (t === c ? 0 : row[c]), 0) +
      rows[c].reduce((sum, n, p) => sum + (p === c ? 0 : n), 0);
  return all.map((c) => [mistakes(c), c])
      .sort((a, b) => b[0] - a[0])
      .slice(0, mostClasses)
      .map(([, c]) => c)
      .sort((a, b) => a - b);
}

/** The matrix as a table of buttons. One of them is reached by Tab, the others from there by the arrow keys. */
function showConfusion() {
  const rows = report.evaluation.confusion, shown = classesShown(rows), size = shown.length;
  const wrongMost = rows.reduce((most, row, t) => row.reduce((m, n, p) => p === t ? m : Math.max(m, n), most), 1);
  const buttons = shown.map((truth) => {
    const total = rows[truth].reduce((a, b) => a + b, 0);
    return shown.map((predicted) => {
      const number = rows[truth][predicted], right = truth === predicted;
      // The eye tells few from none: roots, so that single mistakes show beside frequent ones.
      const heat = number === 0 ? 0 : right ? 0.12 + 0.43 * number / total : 0.12 + 0.6 * Math.sqrt(number / wrongMost);
      return element(
          'button', {
            type: 'button',
            class: number === 0 ? 'none' : null,
            style: `--heat:${heat.toFixed(3)}`,
            tabindex: -1,
            'aria-pressed': 'false',
            'data-cell': `${truth},${predicted}`,
            'aria-label':
                (right ? `${className(truth)} recognised` : `${className(truth)} taken for ${className(predicted)}`) +
                `: ${count(number, 'image')}`,
            click: (event) => choose(event.currentTarget)
          },
          number === 0 ? '·' : String(number));
    });
  });
  const all = buttons.flat();
  const stopAt = (button) => {
    for (const one of all) one.tabIndex = one === button ? 0 : -1;
  };
  const choose = (button, quietly) => {
    for (const one of all) one.setAttribute('aria-pressed', String(one === button));
    stopAt(button);
    showCell(...button.dataset.cell.split(',').map(Number), quietly);
  };
  const keys = (event) => {
    const at = all.indexOf(event.target);
    if (at < 0) return;
    const row = Math.floor(at / size), column = at % size;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, size - 1],
      PageUp: [0, column],
      PageDown: [size - 1, column]
    }[event.key];
    if (!to || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const [r, c] = to.map((place) => Math.min(size - 1, Math.max(0, place)));
    stopAt(buttons[r][c]);
    buttons[r][c].focus();
  };
  stopAt(all[0]);
  const long = shown.some((c) => className(c).length > 4);
  const matrix = element(
      'table', {
        class: long ? 'matrix long' : 'matrix',
        'aria-label': 'Confusion matrix',
        'aria-describedby': 'matrix-axes',
        keydown: keys
      },
      element(
          'thead', null,
          element(
              'tr', null, element('td'),
              shown.map((c) => element('th', {scope: 'col'}, element('span', null, className(c)))))),
      element(
          'tbody', null,
          buttons.map(
              (row, r) => element(
                  'tr', null, element('th', {scope: 'row'}, className(shown[r])),
                  row.map((button, c) => element('td', {class: r === c ? 'diagonal' : null}, button))))));
  byId('confusion-table')
      .append(
          worstPair(rows),
          size < rows.length ?
              element(
                  'p', {class: 'note'}, `Of ${rows.length} classes, the ${size} with the most mistakes are shown.`) :
              '',
          element('p', {class: 'axis', id: 'matrix-axes'}, 'Down: what it is. Across: what the model said.'),
          element('div', {class: 'scroll'}, matrix));
  return (cell) => {
    const button = all.find((one) => one.dataset.cell === cell);
    if (button) choose(button, true);
  };
}

function worstPair(rows) {
  let worst = null;
  rows.forEach((row, t) => row.forEach((number, p) => {
    if (t !== p && number > (worst ? worst.number : 0)) worst = {t, p, number};
  }));
  return element(
      'p', {class: 'note'},
      worst ? `Most often, ${className(worst.t)} is taken for ${className(worst.p)}: ${
                  worst.number === 1 ? 'once' : count(worst.number, 'time')}.` :
              'Not a single image was taken for something else.');
}

function showCell(truth, predicted, quietly) {
  const number = report.evaluation.confusion[truth][predicted], right = truth === predicted;
  const cell = report.cells.find((one) => one.truth === truth && one.predicted === predicted);
  const images = cell ? cell.images : [];
  const what =
      right ? `of ${className(truth)}, recognised` : `of ${className(truth)}, taken for ${className(predicted)}`;
  const order = images.length < 2 ? '' :
      right                       ? 'The ones that it was least sure of come first. ' :
                                    'The highest losses come first. ';
  const panel = byId('cell');
  panel.hidden = false;
  panel.dataset.cell = `${truth},${predicted}`;
  panel.replaceChildren(
      element('h3', null, `${count(number, 'image')} ${what}`),
      images.length === 0 ? '' :
                            element(
                                'p', {class: 'hint'},
                                (images.length < number ? `${images.length} of them are shown. ` : '') + order +
                                    `Below each image: the probability that the model gave to ${
                                        className(predicted)}, and the number of the image, counted from 0.`),
      element(
          'ul', {class: 'tiles'},
          images.map(
              ({image, sample, probability}) => element(
                  'li', null,
                  sampleImage(
                      image, 64,
                      `image ${sample}: ${className(truth)}, ${className(predicted)} with ${sure(probability)}`),
                  element('b', null, sure(probability)), `#${sample}`))));
  if (!quietly) panel.scrollIntoView({block: 'nearest'});
}

function showMistakes() {
  if (report.mistakes.length === 0) {
    byId('mistake-list').append(element('p', {class: 'note'}, 'There is none: every answer was right.'));
    return;
  }
  byId('mistake-list')
      .append(element(
          'ul', {class: 'cards'},
          report.mistakes.map(
              (one) => element(
                  'li', null,
                  sampleImage(
                      one.image, 84,
                      `image ${one.sample}: ${className(one.truth)}, taken for ${className(one.predicted)}`),
                  element(
                      'div', null,
                      element(
                          'p', null, element('b', null, className(one.truth)), ' taken for ',
                          element('b', null, className(one.predicted)), element('br'),
                          element(
                              'small', null,
                              `#${one.sample}, loss ${one.loss === null ? 'not finite' : fixed(one.loss, 2)}`)),
                      element(
                          'dl', {class: 'odds', 'aria-label': 'The likeliest classes'},
                          one.top.map(
                              (guess) =>
                                  [element(
                                       'dt', {
                                         class: guess.class === one.truth ? 'truth' : null,
                                         title: className(guess.class)
                                       },
                                       className(guess.class)),
                                   bar(guess.probability, guess.class !== one.truth),
                                   element('dd', null, sure(guess.probability))])))))));
}
