// @ts-check
/** The plugin: the panel at the left, commands of the palette, an entry of the launcher. */

import { loadBokeh } from './bokeh.js';
import { Cells } from './cells.js';
import { tellDeaths } from './deaths.js';
import { icon } from './icon.js';
import { nameSliders } from './labels.js';
import { createPanel } from './panel.js';
import { Server } from './server.js';

const CATEGORY = 'PROBA-V';

/** @param {import('./shared.js').Lab} lab */
export function plugin(lab) {
  const tokens = [
    lab.application?.ILayoutRestorer,
    lab.apputils?.ICommandPalette,
    lab.notebook?.INotebookTracker,
    lab.launcher?.ILauncher
  ];
  const known = tokens.filter(Boolean);
  return {
    id: 'probav-panel:plugin',
    description: 'The archive beside the notebook: products, cells to begin with, Spark and memory.',
    autoStart: true,
    requires: [],
    optional: known,
    /**
     * @param {any} app
     * @param {any[]} given
     */
    activate: (app, ...given) => {
      const [restorer, palette, tracker, launcher] = tokens.map(token =>
        token ? given[known.indexOf(token)] : null
      );
      try {
        activate(lab, app, { restorer, palette, tracker, launcher });
      } catch (error) {  // Jupyter works without
        console.warn('probav-panel: no Archive panel in this application.', error);
      }
      return loadBokeh(app.serviceManager.serverSettings.baseUrl);
    }
  };
}

/**
 * @param {import('./shared.js').Lab} lab
 * @param {any} app
 * @param {{restorer: any, palette: any, tracker: any, launcher: any}} others
 */
function activate(lab, app, { restorer, palette, tracker, launcher }) {
  nameSliders();
  const server = new Server(lab, app);
  const cells = new Cells(lab, app, tracker);
  const panel = createPanel(lab, app, server, cells);
  app.shell.add(panel.widget, 'left', { rank: 550, type: 'Archive' });
  restorer?.add(panel.widget, panel.widget.id);
  tellDeaths(lab, server, tracker, panel.memory);

  /** @type {Array<[string, string, string, (() => unknown), (() => boolean)]>} */
  const commands = [
    ['probav:show-archive', 'Archive', 'Show the products of the archive',
      () => { app.shell.activateById(panel.widget.id); }, () => true],
    ['probav:insert-load', 'Insert Load Cell', 'A cell that loads pixels of the product chosen in the panel',
      () => panel.use('load'), () => panel.can('load')],
    ['probav:insert-stats', 'Insert Statistics Cell', 'A cell with statistics of the product chosen in the panel',
      () => panel.use('stats'), () => panel.can('stats')],
    ['probav:show-on-map', 'Show Product on a Map', 'A cell with a map of the product chosen in the panel',
      () => panel.use('map'), () => panel.can('map')]
  ];
  for (const [id, label, caption, execute, isEnabled] of commands) {
    app.commands.addCommand(id, { label, caption, execute, isEnabled, icon: icon(lab) });
    palette?.addItem({ command: id, category: CATEGORY });
  }
  launcher?.add({ command: 'probav:show-archive', category: 'Other', rank: 10 });
}
