// @ts-check
/** The Spark sessions of this server's kernels. */

import { counted, element, size } from './dom.js';

export class Spark {
  /** @param {any} app @param {import('./cells.js').Cells} cells */
  constructor(app, cells) {
    this.app = app;
    this.cells = cells;
    this.body = element('div', { class: 'jp-probav-sparks' });
    this.node = element('section', { 'aria-labelledby': 'jp-probav-spark' },
      element('h3', { id: 'jp-probav-spark' }, 'Spark'), this.body);
    this.shown = '';
  }

  /**
   * @param {boolean} isKnown Whether the server can tell.
   * @param {{sessions: any[]} | null} found Null if it did not.
   */
  show(isKnown, found) {
    this.node.hidden = !isKnown;
    if (!found) {
      return;
    }
    const text = JSON.stringify(found) + this._current();
    if (text === this.shown) {  // what is looked at, or focused, stays
      return;
    }
    this.shown = text;
    this.body.replaceChildren(
      ...(found.sessions.length
        ? found.sessions.map(session => this._session(session))
        : [element('p', {}, 'Not started. It starts when a notebook first uses ', element('code', {}, 'spark'), '.')])
    );
  }

  _current() {
    return this.cells.current?.sessionContext?.session?.kernel?.id ?? '';
  }

  /** @param {any} session */
  _session(session) {
    const models = [...this.app.serviceManager.sessions.running()];
    const model = models.find(one => one.kernel?.id === session.kernel);
    const name = model ? model.path.split('/').pop() : `Kernel ${session.kernel.slice(0, 8)}`;
    const here = session.kernel === this._current() ? ' (this notebook)' : '';
    const parts = session.executors ? executors(session.executors) : ['does not answer: it is busy, or ends'];
    return element(
      'div',
      { class: 'jp-probav-session' },
      element('strong', {}, `${name}${here}`),
      element('ul', {}, ...parts.map(part => element('li', {}, part))),
      element('a', { href: session.ui, target: '_blank', rel: 'noopener', 'aria-label': `Spark's pages of ${name}, in a new tab` },
        'Spark’s pages')
    );
  }
}

/** @param {any[]} all */
function executors(all) {
  const total = (/** @type {string} */ key) => all.reduce((sum, one) => sum + one[key], 0);
  const workers = all.filter(one => one.id !== 'driver');
  const where = workers.length ? counted(workers.length, 'executor') : 'on this machine';
  const failed = total('failed');
  return [
    `Running ${workers.length ? 'on ' : ''}${where}, ${counted(total('cores'), 'core')}`,
    `Tasks: ${total('active')} active, ${total('done').toLocaleString('en')} done${failed ? `, ${failed} failed` : ''}`,
    `Storage memory: ${size(total('memory_used'))} of ${size(total('memory'))}`
  ];
}
