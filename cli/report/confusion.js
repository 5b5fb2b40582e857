// What was taken for what: the matrix, the images of a cell, and the worst mistakes.

let sampleImage = null;

/** The matrix as a table of buttons. One of them is reached by Tab, the others from there by the arrow keys. */
function showConfusion() {
  const rows = report.evaluation.confusion, size = rows.length;
  const wrongMost = Math.max(1, ...rows.flatMap((row, t) => row.filter((_, p) => p !== t)));
  const buttons = rows.map((row, truth) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((number, predicted) => {
      const right = truth === predicted;
      // The eye tells few from none: roots, so that single mistakes show beside frequent ones.
      const heat = number === 0 ? 0 : right ? 0.12 + 0.43 * number / total : 0.12 + 0.6 * Math.sqrt(number / wrongMost);
      return element('button', {type: 'button', class: number === 0 ? 'none' : null, style: `--heat:${heat.toFixed(3)}`,
        tabindex: -1, 'aria-pressed': 'false', 'data-cell': `${truth},${predicted}`,
        'aria-label': (right ? `${className(truth)} recognised` : `${className(truth)} taken for ${className(predicted)}`) + `: ${count(number, 'image')}`,
        click: () => showCell(truth, predicted, buttons)}, number === 0 ? '·' : String(number));
    });
  });
  const focus = (truth, predicted) => {
    buttons.flat().forEach((button) => { button.tabIndex = -1; });
    buttons[truth][predicted].tabIndex = 0;
    buttons[truth][predicted].focus();
  };
  const keys = (event) => {
    const at = event.target.dataset.cell;
    if (!at) return;
    const [t, p] = at.split(',').map(Number);
    const to = {ArrowUp: [t - 1, p], ArrowDown: [t + 1, p], ArrowLeft: [t, p - 1], ArrowRight: [t, p + 1],
      Home: [t, 0], End: [t, size - 1], PageUp: [0, p], PageDown: [size - 1, p]}[event.key];
    if (!to) return;
    event.preventDefault();
    focus(Math.min(size - 1, Math.max(0, to[0])), Math.min(size - 1, Math.max(0, to[1])));
  };
  buttons[0][0].tabIndex = 0;
  const matrix = element('table', {class: 'matrix', keydown: keys},
    element('caption', {class: 'axis'}, 'down: what it is; across: what the model said'),
    element('thead', null, element('tr', null, element('td'), report.model.classes.map((name) => element('th', {scope: 'col'}, name)))),
    element('tbody', null, buttons.map((row, t) => element('tr', null, element('th', {scope: 'row'}, className(t)),
      row.map((button, p) => element('td', {class: t === p ? 'diagonal' : null}, button))))));
  byId('confusion-table').append(worstPair(rows), element('div', {class: 'scroll'}, matrix));
  return (cell) => { const [t, p] = cell.split(',').map(Number); if (buttons[t] && buttons[t][p]) showCell(t, p, buttons, true); };
}

function worstPair(rows) {
  let worst = null;
  rows.forEach((row, t) => row.forEach((number, p) => { if (t !== p && number > (worst ? worst.number : 0)) worst = {t, p, number}; }));
  return element('p', {class: 'note'}, worst ?
    `Most often, ${className(worst.t)} is taken for ${className(worst.p)}: ${worst.number === 1 ? 'once' : count(worst.number, 'time')}.` :
    'Not a single image was taken for something else.');
}

function showCell(truth, predicted, buttons, quietly) {
  buttons.flat().forEach((button) => { button.setAttribute('aria-pressed', 'false'); button.tabIndex = -1; });
  const chosen = buttons[truth][predicted];
  chosen.setAttribute('aria-pressed', 'true');
  chosen.tabIndex = 0;
  const number = report.evaluation.confusion[truth][predicted], right = truth === predicted;
  const cell = report.cells.find((one) => one.truth === truth && one.predicted === predicted);
  const images = cell ? cell.images : [];
  const what = right ? `of ${className(truth)}, recognised` : `of ${className(truth)}, taken for ${className(predicted)}`;
  const order = images.length < 2 ? '' : right ? 'The ones that it was least sure of come first. ' : 'The highest losses come first. ';
  const panel = byId('cell');
  panel.hidden = false;
  panel.dataset.cell = `${truth},${predicted}`;
  panel.replaceChildren(
    element('h3', null, `${count(number, 'image')} ${what}`),
    images.length === 0 ? '' : element('p', {class: 'hint'}, (images.length < number ? `${images.length} of them are shown. ` : '') + order +
      `Below each image: the probability that the model gave to ${className(predicted)}, and the number of the image, counted from 0.`),
    element('ul', {class: 'tiles'}, images.map(({image, sample, probability}) => element('li', null,
      sampleImage(image, 64, `image ${sample}: ${className(truth)}, ${className(predicted)} with ${sure(probability)}`),
      element('b', null, sure(probability)), `#${sample}`))));
  if (!quietly) panel.scrollIntoView({block: 'nearest'});
}

function showMistakes() {
  if (report.mistakes.length === 0) {
    byId('mistake-list').append(element('p', {class: 'note'}, 'There is none: every answer was right.'));
    return;
  }
  byId('mistake-list').append(element('ul', {class: 'cards'}, report.mistakes.map((one) => element('li', null,
    sampleImage(one.image, 84, `image ${one.sample}: ${className(one.truth)}, taken for ${className(one.predicted)}`),
    element('div', null,
      element('p', null, element('b', null, className(one.truth)), ' taken for ', element('b', null, className(one.predicted)),
        element('br'), element('small', null, `#${one.sample}, loss ${one.loss === null ? 'not finite' : fixed(one.loss, 2)}`)),
      element('dl', {class: 'odds', 'aria-label': 'The likeliest classes'}, one.top.map((guess) => [
        element('dt', {class: guess.class === one.truth ? 'truth' : null, title: className(guess.class)}, className(guess.class)),
        bar(guess.probability, guess.class !== one.truth), element('dd', null, sure(guess.probability))])))))));
}
