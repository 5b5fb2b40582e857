// The sections, from the report's data; and the page that follows a training.

const goesOn = ['training', 'measuring'].includes(report.state);
const later = {
  training: 'This part comes when the training has finished.',
  measuring: 'This part comes when the results have been measured.',
  unmeasured: 'The program was stopped before this was measured.',
  stopped: 'The training was stopped before its end, so this was not measured.',
  failed: 'Something failed before this was measured.'
}[report.state];

function showTitle() {
  const {model, data, evaluation} = report;
  byId('title').textContent = `${model.name} on ${dataName}`;
  document.title = ({training: 'running: ', measuring: 'measuring: '}[report.state] || '') + document.title;
  const classes = count(model.classes.length, 'class', 'classes');
  byId('lead').textContent = evaluation ?
      `The model recognises ${percent(evaluation.accuracy)} of ${whole(evaluation.samples)} ${
          data.part === 'test' ? 'test images, which it has never seen' :
                                 'training images, which it has learnt from: others will go worse'}. ` +
          `It tells ${classes} apart in images of ${model.input}.` :
      `A classifier that tells ${classes} apart in images of ${model.input}.`;
  const epochs = report.history ? report.history.epochs.length : 0;
  const of = report.settings && report.settings.epochs ? ` of ${report.settings.epochs}` : '';
  const states = {
    training: `The training is running: ${epochs}${of} epochs have ended. This page renews itself.`,
    measuring: 'The training has ended; its results are being measured. This page renews itself.',
    unmeasured:
        `The training has ended, but the program was stopped before its results were measured. ${report.message}`,
    stopped: `The training was stopped after ${count(epochs, 'epoch')}. ${report.message || ''}`,
    failed: `Failed after ${count(epochs, 'epoch')}: ${report.message}`
  };
  if (states[report.state]) {
    byId('state').textContent = states[report.state];
    byId('state').hidden = false;
  }
}

function showFigures() {
  const {model, data, evaluation, history} = report;
  const last = history && history.epochs.length ? history.epochs[history.epochs.length - 1] : null;
  const wrong = evaluation ?
      evaluation.confusion.reduce((sum, row, t) => sum + row.reduce((a, n, p) => a + (p === t ? 0 : n), 0), 0) :
      0;
  const figures = evaluation ?
      [
        [
          data.part === 'test' ? 'Test accuracy' : 'Training accuracy', percent(evaluation.accuracy),
          `loss ${fixed(evaluation.loss)}`
        ],
        ['Mistakes', whole(wrong), `of ${count(evaluation.samples, 'image')}`]
      ] :
      last ? [['Training accuracy', percent(last.accuracy), `epoch ${last.epoch}`]] :
             [];
  figures.push(
      [
        'Data', dataName,
        `${data.source === dataName ? '' : data.source + ', '}${
            count(model.classes.length, 'class', 'classes')}, images of ${model.input}`
      ],
      ['Parameters', whole(model.parameters), `kept in ${model.file}`],
      ['Multiply-adds', whole(model.multiply_adds), 'for an image']);
  if (last)
    figures.push(['Epochs', whole(history.epochs.length), history.best_epoch ? `best: ${history.best_epoch}` : null]);
  byId('figures').append(...figures.map(
      ([name, value, more]) => element(
          'div', null, element('dt', null, name),
          element(
              'dd', {class: value.length > 11 ? 'long' : null}, value, more ? element('small', null, more) : null))));
}

function showComparison() {
  const own = report.model;
  const same = (net) =>
      net.name === own.name && net.parameters === own.parameters && net.multiply_adds === own.multiply_adds;
  const nets = report.comparison.map(
      (net) => ({...net, label: same(net) ? `${net.name} (this model)` : `${net.name} (built-in)`, own: same(net)}));
  if (!nets.some((net) => net.own)) nets.unshift({...own, label: `${own.name} (this model)`, own: true});
  const most = (key) => Math.max(1, ...nets.map((net) => net[key]));
  byId('comparison')
      .append(scrolling(
          'Comparison of nets',
          table(
              ['net', 'parameters', 'multiply-adds an image'],
              nets.map((net) => ({
                         class: net.own ? 'best' : null,
                         cells: [
                           net.label,
                           ...['parameters', 'multiply_adds'].map(
                               (key, i) => element('span', null, whole(net[key]), bar(net[key] / most(key), i === 1)))
                         ]
                       })),
              {class: 'wide'})));
  byId('layers').querySelector('.scroll').append(table(
      ['layer', 'kind', 'output', 'parameters', 'multiply-adds', 'as dense'],
      own.layers.map((layer) => ({
                       cells: [
                         layer.name, layer.type, layer.output.join('×'), whole(layer.parameters),
                         whole(layer.multiply_adds), layer.dense_equivalent ? whole(layer.dense_equivalent) : ''
                       ]
                     }))));
}

function showDiagnosis() {
  if (!report.diagnosis.length) {
    missing(
        'diagnosis',
        later || 'The model’s file has no diagnosis: it comes into it when a training by telaio train has finished.');
    return;
  }
  byId('diagnosis-text').append(...report.diagnosis.map((line) => element('p', {class: 'note'}, line)));
}

function showClasses() {
  const classes = report.evaluation.classes.filter((one) => one.images > 0);
  const weakest = classes.reduce((low, one) => low && low.f1 <= one.f1 ? low : one, null);
  const strongest = classes.reduce((high, one) => high && high.f1 >= one.f1 ? high : one, null);
  if (weakest !== strongest)
    byId('class-table')
        .append(element(
            'p', {class: 'note'},
            `Best is ${strongest.name} (F1 ${percent(strongest.f1)}), hardest ${weakest.name} (F1 ${
                percent(weakest.f1)}).`));
  // Bars from the lowest value on, or all of a good model's would look alike.
  const lowest = Math.min(...classes.flatMap((one) => [one.precision, one.recall]));
  const floor = lowest < 0.9 ? 0 : Math.min(lowest, 0.99) - 0.01;
  const cell = (share) => element('span', null, percent(share), bar((share - floor) / (1 - floor)));
  byId('class-table')
      .append(
          scrolling(
              'Table of classes',
              table(
                  ['class', 'precision', 'recall', 'F1', 'images'],
                  report.evaluation.classes.map(
                      (one) => (
                          {cells: [one.name, cell(one.precision), cell(one.recall), cell(one.f1), whole(one.images)]})),
                  {class: 'wide'})),
          floor > 0 ? element('p', {class: 'hint below'}, `The bars begin at ${percent(floor, 1)}.`) : '');
}

function showFilters() {
  const tiles = ({images, filters}, size, text) => {
    const give = openSheet(images);
    return element(
        'ul', {class: 'tiles'},
        filters.map(
            (one, i) => element(
                'li', {class: one.dead ? 'dead' : null}, give(i, size, `${one.name}${one.dead ? ', dead' : ''}`),
                text(one, i), one.dead ? element('b', null, 'dead') : null)));
  };
  const some = (shown, total, noun) =>
      shown < total ? `the first ${whole(shown)} of ${count(total, noun)}` : count(shown, noun);
  if (report.filters.message) byId('filter-list').append(element('p', null, report.filters.message));
  for (const layer of report.filters.layers) {
    if (!layer.filters.length) continue;
    const dead = layer.filters.filter((one) => one.dead).length;
    byId('filter-list')
        .append(
            element(
                'h3', null,
                `${layer.name}: ${some(layer.filters.length, layer.total, 'filter')}${dead ? `, ${dead} of them dead` : ''}`),
            tiles(layer, 64, (one, i) => String(i)));
  }
  const {classes} = report.filters;
  if (classes)
    byId('filter-list')
        .append(
            element(
                'h3', null,
                `What the net takes for each ${
                    classes.filters.length < classes.total ? `of the first ${whole(classes.filters.length)} classes` : 'class'}`),
            element(
                'p', {class: 'hint'},
                'Images made so that the net is as sure as it can be. To us they hardly look like the class: it needs less than we do.'),
            tiles(classes, 84, (one) => element('b', null, one.name)));
}

function showGraph() {
  if (report.graph.svg) {
    // Made by Graphviz from the model; its ids would be those of this page.
    const svg = new DOMParser().parseFromString(report.graph.svg, 'image/svg+xml').documentElement;
    svg.querySelectorAll('[id]').forEach((part) => part.removeAttribute('id'));
    // As wide as there is room, but not so small that it cannot be read.
    const natural = svg.viewBox.baseVal.width;
    svg.removeAttribute('height');
    svg.style.width = `max(min(100%, ${natural}pt), ${Math.round(0.6 * natural)}pt)`;
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `Graph of ${report.model.name}`);
    byId('graph-box')
        .append(element(
            'div', {class: 'drawing', tabindex: 0, role: 'group', 'aria-label': 'Graph of the model'},
            document.importNode(svg, true)));
    return;
  }
  byId('graph-box')
      .append(
          element(
              'p', {class: 'note'},
              'A line for each operation, inputs before those that use them. (Where Graphviz is installed, small graphs are drawn.)'),
          element('pre', {tabindex: 0}, report.graph.text));
}

function showRepeat() {
  if (!report.command || !report.settings) {
    missing('repeat', 'The model’s file does not say how it was trained.');
    return;
  }
  const copy = element(
      'button', {
        type: 'button',
        class: 'copy',
        click: () => {
          getSelection().selectAllChildren(byId('command'));
          if (navigator.clipboard)
            navigator.clipboard.writeText(report.command).then(() => {
              copy.textContent = 'Copied';
            }, () => {});
        }
      },
      'Copy');
  byId('repeat-box')
      .append(
          element('pre', {class: 'command', id: 'command'}, report.command), copy, element('h3', null, 'All settings'),
          scrolling(
              'Table of settings',
              table(
                  ['option', 'value'],
                  Object.entries(report.settings).map(([name, value]) => ({cells: ['--' + name, value]})),
                  {class: 'settings'})));
}

// What was open and chosen stays so when the page is loaded anew.
const memory = 'telaio ' + location.pathname;
function remember() {
  const kept = {
    scroll: scrollY,
    open: [...document.querySelectorAll('details[open]')].map((one) => one.id),
    cell: byId('cell').dataset.cell
  };
  try {
    sessionStorage.setItem(memory, JSON.stringify(kept));
  } catch { /* a browser that keeps nothing */
  }
}
function recall(openCell) {
  const navigation = performance.getEntriesByType('navigation')[0];
  if (!navigation || navigation.type !== 'reload') return;
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(memory));
  } catch {
    return;
  }
  if (!kept) return;
  for (const id of kept.open)
    if (byId(id)) byId(id).open = true;
  if (kept.cell && openCell) openCell(kept.cell);
  scrollTo(0, kept.scroll);
}

byId('contents')
    .append(...[...document.querySelectorAll('section')].map(
        (one) => element('a', {href: '#' + one.id}, one.dataset.short)));
showTitle();
showFigures();
showComparison();
showCurves();
showDiagnosis();
let openCell = null;
if (report.evaluation) {
  if (report.images) sampleImage = openSheet(report.images);
  showClasses();
  openCell = showConfusion();
  showMistakes();
  showGraph();
} else {
  for (const id of ['classes', 'confusion', 'mistakes', 'graph']) missing(id, later);
}
if (report.filters) showFilters();
else missing('filters', later || 'There are no pictures of filters in this report.');
if (report.invariance) showInvariance();
else missing('invariance', later);
showRepeat();
addEventListener('pagehide', remember);
recall(openCell);
if (goesOn) {
  const again = () => {
    if (document.hidden) setTimeout(again, 1000);
    else location.reload();
  };
  setTimeout(again, 3000);
}
