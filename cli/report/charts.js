// Curves, by Chart.js, in the colours of the page.

const charts = [];

function pageColours() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue('--' + name).trim();
  return {
    text: colour('text'),
    muted: colour('muted'),
    grid: colour('grid'),
    card: colour('card'),
    lines: [colour('blue'), colour('orange'), colour('green')]
  };
}

/** Options that depend on colours, which change with the page's. */
function paint(chart) {
  const colours = pageColours();
  chart.data.datasets.forEach((set, i) => {
    const line = colours.lines[i % colours.lines.length];
    Object.assign(set, {borderColor: line, backgroundColor: line, pointBackgroundColor: line, pointBorderColor: line});
  });
  for (const scale of Object.values(chart.options.scales)) {
    scale.grid.color = scale.grid.borderColor = colours.grid;
    scale.ticks.color = scale.title.color = colours.muted;
  }
  chart.options.plugins.legend.labels.color = colours.text;
  chart.options.plugins.legend.display = chart.data.datasets.length > 1;
  chart.update('none');
}

/**
 * A figure with lines over one axis. `lines`: [{label, points: [{x, y}], marked: index or none}]; y is a share where
 * asPercent, and its axis all of it with fullRange.
 */
function lineFigure(box, {title, description, lines, xTitle, asPercent, wholeSteps, range, fullRange}) {
  const canvas = element('canvas', {role: 'img', 'aria-label': description});
  box.append(element('figure', null, element('figcaption', null, title), element('div', {class: 'canvas'}, canvas)));
  const ticks = (more) => ({maxRotation: 0, font: {size: 12}, ...more});
  const chart = new Chart(canvas, {
    type: 'line',
    data: {datasets: lines.map((line, i) => lineSet(line, i))},
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      normalized: true,
      interaction: {mode: 'nearest', axis: 'x', intersect: false},
      scales: {
        x: {
          type: 'linear',
          grid: {},
          title: {display: true, text: xTitle},
          ticks: ticks({autoSkipPadding: 12, ...(wholeSteps ? {precision: 0} : {})}),
          ...range
        },
        y: {
          grid: {},
          title: {display: false},
          ticks: ticks(
              asPercent ? {...(fullRange ? {stepSize: 0.25} : {}), callback: (v) => +(100 * v).toFixed(2) + '%'} : {}),
          ...(asPercent ? {} : {beginAtZero: true}),
          ...(fullRange ? {min: 0, max: 1} : {})
        },
      },
      plugins: {
        legend: {display: true, align: 'end', labels: {usePointStyle: true, boxHeight: 7}},
        tooltip: {
          callbacks: {
            title: (items) => items.length ? `${xTitle} ${items[0].parsed.x}` : '',
            label: (item) => `${item.dataset.label}: ${asPercent ? percent(item.parsed.y) : fixed(item.parsed.y)}`
          }
        },
      },
    },
  });
  charts.push(chart);
  paint(chart);
  return chart;
}

// Told apart without colours, too.
const dashes = [[], [6, 4], [2, 3]];
const pointStyles = ['circle', 'rectRot', 'triangle'];
function lineSet({label, points, marked}, i) {
  return {
    label,
    data: points,
    borderWidth: 2,
    borderDash: dashes[i % 3],
    pointStyle: pointStyles[i % 3],
    tension: 0,
    clip: 12,
    pointRadius: points.map(
        (_, k) => k === marked ? 7 :
            points.length > 40 ? 0 :
                                 3),
    pointHoverRadius: 6
  };
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.forEach(paint));
// Paper is white.
function forPrint(yes) {
  document.documentElement.toggleAttribute('data-print', yes);
  charts.forEach((chart) => {
    paint(chart);
    chart.resize();
  });
}
addEventListener('beforeprint', () => forPrint(true));
addEventListener('afterprint', () => forPrint(false));

/** What came of an epoch, for training and validation where there is one. */
function showCurves() {
  const epochs = report.history ? report.history.epochs : [];
  if (epochs.length === 0) {
    missing(
        'curves',
        report.state === 'training' ?
            'The curves begin with the end of the first epoch.' :
            'The model’s file has no curves: they come into it when a training by telaio train has finished.');
    byId('numbers').hidden = true;
    return;
  }
  const best = epochs.findIndex((one) => one.epoch === report.history.best_epoch);
  const last = epochs[epochs.length - 1];
  for (const [name, title, asPercent] of [['loss', 'Loss', false], ['accuracy', 'Accuracy', true]]) {
    const lines = [], spoken = [];
    for (const [key, label] of [[name, 'training'], ['val_' + name, 'validation']]) {
      if (!epochs.some((one) => typeof one[key] === 'number')) continue;
      const text = (value) => asPercent ? percent(value) : fixed(value);
      lines.push({label, marked: best, points: epochs.map((one) => ({x: one.epoch, y: one[key] ?? NaN}))});
      spoken.push(`${label} from ${text(epochs[0][key])} to ${text(last[key])}`);
    }
    if (lines.length === 0) continue;
    lineFigure(byId('curve-charts'), {
      title,
      lines,
      xTitle: 'epoch',
      asPercent,
      wholeSteps: true,
      range: epochs.length > 1 ? {min: epochs[0].epoch, max: last.epoch} : {},
      description:
          `${title} over ${count(epochs.length, 'epoch')}: ${spoken.join('; ')}. The table below has all numbers.`
    });
  }
  if (best >= 0)
    byId('curve-charts')
        .after(element(
            'p', {class: 'hint below'},
            `The large points are epoch ${epochs[best].epoch}, whose parameters were kept: the lowest ` +
                `${typeof epochs[best].val_loss === 'number' ? 'validation' : 'training'} loss.`));
  const columns = [
    ['loss', 'training loss', fixed], ['accuracy', 'training accuracy', percent],
    ['val_loss', 'validation loss', fixed], ['val_accuracy', 'validation accuracy', percent],
    ['learning_rate', 'learning rate', (v) => Number(v.toPrecision(3)).toString()],
    ['seconds', 'seconds', (v) => fixed(v, 1)], ['images_per_second', 'images/s', (v) => whole(Math.round(v))]
  ].filter(([key]) => epochs.some((one) => one[key] !== undefined));
  byId('numbers').querySelector('.scroll').append(table(
      ['epoch', ...columns.map(([, title]) => title)],
      epochs.map(
          (one, i) => ({
            class: i === best ? 'best' : null,
            cells: [
              String(one.epoch),
              ...columns.map(([key, , text]) => one[key] === null || one[key] === undefined ? '–' : text(one[key]))
            ]
          }))));
}

/** Accuracy against the amount of each change, and on request that of a class. */
function showInvariance() {
  if (!report.invariance) return;
  const {curves, samples} = report.invariance;
  const box = byId('invariance-charts');
  const grid = element('div', {class: 'charts'});
  const all = curves.map((curve) => {
    const points = curve.points.map((point) => ({x: point.amount, y: point.accuracy}));
    const usual = curve.test === 'size' ? 1 : 0;
    const ends = [points[0], points[points.length - 1]];
    return lineFigure(grid, {
      title: curve.test[0].toUpperCase() + curve.test.slice(1),
      xTitle: curve.unit,
      asPercent: true,
      lines: [{label: 'all classes', points, marked: points.findIndex((point) => point.x === usual)}],
      range: {min: ends[0].x, max: ends[1].x},
      fullRange: true,
      description: `Accuracy against ${curve.test}: ${
                       ends.map((end) => `${percent(end.y, 1)} at ${end.x} ${curve.unit}`).join(', ')}. ` +
          'The table below has all numbers.'
    });
  });
  const choose = element(
      'select', {
        id: 'invariance-class',
        change: () => all.forEach((chart, t) => {
          chart.data.datasets.length = 1;
          if (choose.value !== '')
            chart.data.datasets.push(lineSet(
                {
                  label: `class ${className(choose.value)}`,
                  points: curves[t].points.map((point) => ({x: point.amount, y: point.classes[choose.value]}))
                },
                1));
          paint(chart);
        })
      },
      element('option', {value: ''}, 'none'),
      report.model.classes.map((name, i) => element('option', {value: i}, name)));
  box.append(
      element(
          'p', {class: 'picker'},
          element(
              'label',
              {for: 'invariance-class'
              },
              'Beside all classes, show one: '),
          choose),
      grid,
      element(
          'p', {class: 'hint below'},
          `Measured on ${
              count(
                  samples, 'image')}. The large points are the unchanged images; what comes in from outside is black.`),
      element(
          'details', {id: 'invariance-numbers'}, element('summary', null, 'The numbers as tables'),
          curves.map(
              (curve) =>
                  [element('h3', null, `${curve.test} (${curve.unit})`),
                   scrolling(
                       `Accuracy against ${curve.test}`,
                       table(
                           ['', ...curve.points.map((point) => String(point.amount))],
                           [{cells: ['accuracy', ...curve.points.map((point) => percent(point.accuracy))]}]))])));
}
