// @ts-check
/** A kernel that the system ended for want of memory is told of, with what was used before. */

const DEAD = ['autorestarting', 'dead'];

/**
 * @param {import('./shared.js').Lab} lab
 * @param {import('./server.js').Server} server
 * @param {any} tracker The notebooks; null where the application has none.
 * @param {import('./memory.js').Memory} memory
 */
export function tellDeaths(lab, server, tracker, memory) {
  /** @param {any} panel */
  const watch = panel => panel.sessionContext.statusChanged.connect((/** @type {any} */ _, /** @type {string} */ status) => {
    if (DEAD.includes(status)) {
      void tell(panel.title.label);
    }
  });
  /** @param {string} notebook */
  async function tell(notebook) {
    const { ended } = await server.get('probav/api/memory');
    const why = memory.explain(ended);
    if (why) {
      lab.apputils?.Notification.error(`Out of memory: ${notebook}'s kernel ended. ${why}`, { autoClose: false });
    }
  }
  tracker?.forEach(watch);
  tracker?.widgetAdded.connect((/** @type {any} */ _, /** @type {any} */ panel) => watch(panel));
}
