// @ts-check
/** The panel: which archive, its products, Spark and memory; what is shown is renewed while it is seen. */

import { element } from './dom.js';
import { icon } from './icon.js';
import { Memory } from './memory.js';
import { Products } from './products.js';
import { Spark } from './spark.js';

const STATE_SECONDS = 5;
const ARCHIVE_SECONDS = 60;
const HIDDEN_SECONDS = 20;  // for the warning of memory

/**
 * @param {import('./shared.js').Lab} lab
 * @param {any} app
 * @param {import('./server.js').Server} server
 * @param {import('./cells.js').Cells} cells
 */
export function createPanel(lab, app, server, cells) {
  const status = element('p', { class: 'jp-probav-status', role: 'status' });
  const heading = element('div', { class: 'jp-probav-archive' });
  const products = new Products(server, (text, run) => put(text, run));
  const spark = new Spark(app, cells);
  const memory = new Memory(app);
  let snapshot = '';
  /** @type {{spark?: boolean, metrics?: boolean}} */
  let others = {};

  class Panel extends lab.widgets.Widget {
    onAfterShow() {
      void read();
      void look();
    }
    onActivateRequest() {
      products.focus();
    }
  }
  const reload = element(
    'button',
    { type: 'button', class: 'jp-probav-button', title: 'Read the archive again', onclick: () => read(true) },
    'Reload'
  );
  const widget = new Panel({
    node: element(
      'div',
      {},
      element('div', { class: 'jp-probav-header' }, element('h2', {}, 'Archive'), reload),
      memory.banner,
      heading,
      status,
      products.node,
      element('div', { class: 'jp-probav-state' }, spark.node, memory.node)
    )
  });
  widget.id = 'probav-archive';
  widget.addClass('jp-probav');
  widget.title.icon = icon(lab);
  widget.title.caption = 'Archive: products, Spark, memory';
  widget.node.setAttribute('role', 'region');
  widget.node.setAttribute('aria-label', 'Archive');

  /** @param {string} text @param {boolean} run */
  async function put(text, run) {
    status.classList.remove('jp-mod-error');
    status.textContent = cells.current ? '' : 'Opening a notebook …';
    try {
      status.textContent = await cells.put(text, run);
    } catch (error) {
      complain(error);
    }
  }

  /** @param {any} error */
  function complain(error) {
    status.textContent = error.message ?? String(error);
    status.classList.add('jp-mod-error');
  }

  /** Read which archive there is, and its products if they have changed. @param {boolean} anyway */
  async function read(anyway = false) {
    try {
      const found = await server.get('probav/api/archive');
      others = found;
      if (!found.archive) {
        snapshot = '';
        heading.replaceChildren(nothing(found.message));
        products.show([]);
        products.node.hidden = true;
        return;
      }
      products.node.hidden = false;
      if (found.archive.snapshot === snapshot && !anyway) {
        return;
      }
      heading.replaceChildren(described(found.archive));
      products.show((await server.get('probav/api/products')).products);
      snapshot = found.archive.snapshot;
      if (status.classList.contains('jp-mod-error')) {
        status.textContent = '';
        status.classList.remove('jp-mod-error');
      }
    } catch (error) {
      complain(error);
    }
  }

  /** Look at what changes by itself. */
  async function look() {
    const [sessions, metrics, machine] = await Promise.allSettled([
      others.spark && widget.isVisible ? server.get('probav/spark') : null,
      others.metrics ? server.get('api/metrics/v1') : null,
      server.get('probav/api/memory')
    ]);
    spark.show(others.spark !== false, sessions.status === 'fulfilled' ? sessions.value : null);
    memory.show(value(metrics), value(machine));
    if (memory.isNearEnd && !widget.isVisible) {
      memory.notify(lab.apputils?.Notification);
    }
  }

  every(STATE_SECONDS, () => (widget.isVisible ? look() : undefined));
  every(HIDDEN_SECONDS, () => (widget.isVisible ? undefined : look()));
  every(ARCHIVE_SECONDS, () => (widget.isVisible ? read() : undefined));
  void app.restored?.then(() => read().then(look));

  return {
    widget,
    memory,
    /** @param {string} kind */
    use: kind => products.use(kind),
    /** @param {string} kind */
    can: kind => products.can(kind)
  };
}

/** @param {number} seconds @param {() => any} what */
function every(seconds, what) {
  setInterval(() => {
    if (!document.hidden) {
      void what();
    }
  }, seconds * 1000);
}

/** @param {PromiseSettledResult<any>} result */
const value = result => (result.status === 'fulfilled' ? result.value : null);

/** @param {any} archive */
function described(archive) {
  const written = archive.written ? `${archive.written} UTC` : '';
  return element(
    'dl',
    {},
    element('dt', {}, 'Place'),
    element('dd', { title: archive.url }, archive.url),
    element('dt', {}, 'Snapshot'),
    element(
      'dd',
      { title: archive.message },
      element('code', {}, archive.snapshot),
      [written, ...archive.tags].filter(Boolean).join(', ')
    )
  );
}

/** @param {string} message */
function nothing(message) {
  return element(
    'div',
    { class: 'jp-probav-empty' },
    element('p', {}, element('strong', {}, 'No archive yet')),
    element('p', {}, ...codes(message)),
    element('p', {}, 'Then press Reload.')
  );
}

/** Commands in a message stand between backquotes. @param {string} text */
function codes(text) {
  return text.split('`').map((part, index) => (index % 2 ? element('code', {}, part) : part));
}
