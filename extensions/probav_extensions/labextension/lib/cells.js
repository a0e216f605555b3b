// @ts-check
/** Cells put into the notebook that the user is at. */

const KERNEL = 'probav-python';
const EXTENSION = '%load_ext probav_magics';

export class Cells {
  /**
   * @param {import('./shared.js').Lab} lab
   * @param {any} app
   * @param {any} tracker The notebooks; null where the application has none.
   */
  constructor(lab, app, tracker) {
    this.actions = lab.notebook?.NotebookActions;
    this.app = app;
    this.tracker = tracker;
    /** @type {Promise<unknown>} */
    this.before = Promise.resolve();
  }

  /** The notebook that the user is at, or was last. @returns {any} */
  get current() {
    return this.tracker?.currentWidget ?? null;
  }

  /**
   * Put a cell below the active one, into it if it is empty, or into a new notebook where none is open.
   *
   * @param {string} text
   * @param {boolean} run
   * @returns {Promise<string>} What was done.
   */
  put(text, run) {
    const done = this.before.then(() => this._put(text, run));  // cells stand in the order of the clicks
    this.before = done.catch(() => null);
    return done;
  }

  /** @param {string} text @param {boolean} run */
  async _put(text, run) {
    if (!this.actions || !this.tracker) {
      throw new Error('This application has no notebooks to put a cell into.');
    }
    const isNew = !this.current;
    const panel = this.current ?? (await this._open());
    await panel.context.ready;
    await panel.revealed;
    const kernel = this._kernel(panel);
    if (kernel.language && !/python/i.test(kernel.language)) {
      throw new Error(
        `${panel.title.label} has a ${kernel.language} kernel, which does not know %probav. ` +
          'Open a notebook with the kernel "PROBA-V (Python)", or change the kernel of this one.'
      );
    }
    const content = panel.content;
    const needs = kernel.name !== KERNEL && !this._knows(content);
    if (!content.activeCell || content.activeCell.model.sharedModel.getSource().trim()) {
      this.actions.insertBelow(content);
    }
    if (content.activeCell.model.type !== 'code') {
      this.actions.changeCellType(content, 'code');
    }
    content.activeCell.model.sharedModel.setSource(needs ? `${EXTENSION}\n${text}` : text);
    this.app.shell.activateById(panel.id);
    const cell = content.activeCell;
    await content.scrollToItem?.(content.activeCellIndex, 'smart');
    await cell.ready;
    content.mode = run ? 'command' : 'edit';
    if (!run) {
      cell.editor?.focus();
    }
    if (run) {
      await panel.sessionContext.ready;
      void this.actions.run(content, panel.sessionContext);
    }
    return `${run ? 'Running a' : 'A'} new cell in ${panel.title.label}${isNew ? ', a new notebook' : ''}.`;
  }

  /** @returns {Promise<any>} */
  async _open() {
    const specs = this.app.serviceManager.kernelspecs;
    await specs.ready;
    const names = Object.keys(specs.specs?.kernelspecs ?? {});
    if (!names.length) {
      throw new Error('No notebook is open, and this server has no kernel to start one with.');
    }
    const kernelName = names.includes(KERNEL) ? KERNEL : specs.specs.default;
    const panel = await this.app.commands.execute('notebook:create-new', { kernelName });
    if (!panel?.context) {
      throw new Error('No notebook is open. Open one, then choose the cell again.');
    }
    await panel.sessionContext?.ready;
    return panel;
  }

  /** @param {any} panel @returns {{name: string, language: string}} */
  _kernel(panel) {
    const model = panel.context.model;
    const saved = model.getMetadata?.('kernelspec') ?? {};
    const context = panel.sessionContext;
    const name = context.session?.kernel?.name || saved.name || context.kernelPreference?.name || '';
    const spec = this.app.serviceManager.kernelspecs.specs?.kernelspecs?.[name];
    return { name, language: spec?.language || saved.language || '' };
  }

  /** @param {any} content Whether a cell of it loads the magics already. */
  _knows(content) {
    return content.widgets.some((/** @type {any} */ cell) =>
      cell.model.sharedModel.getSource().includes(EXTENSION)
    );
  }
}
