// @ts-check
/** Bokeh's scripts, which the widget of its charts takes from the page: they come from the notebook server. */

const PATIENCE = 10_000; // milliseconds; without them Jupyter starts as well, and charts are pictures

/**
 * Load them unless they are there, and wait for it: charts that a page shows at once need them.
 *
 * @param {string} baseUrl
 * @returns {Promise<void>}
 */
export function loadBokeh(baseUrl) {
  if ('Bokeh' in window) {
    return Promise.resolve();
  }
  return new Promise(resolve => {
    const script = document.createElement('script');
    script.src = `${baseUrl.replace(/\/$/, '')}/probav/scripts/bokeh.js`;
    script.onload = script.onerror = () => resolve();
    setTimeout(resolve, PATIENCE);
    document.head.append(script);
  });
}
