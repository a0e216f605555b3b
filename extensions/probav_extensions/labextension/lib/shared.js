// @ts-check
/** What JupyterLab shares with its extensions, by short names; null for what another Jupyter has not. */

const NAMES = {
  application: '@jupyterlab/application',
  apputils: '@jupyterlab/apputils',
  coreutils: '@jupyterlab/coreutils',
  launcher: '@jupyterlab/launcher',
  notebook: '@jupyterlab/notebook',
  services: '@jupyterlab/services',
  icons: '@jupyterlab/ui-components',
  jupyterWidgets: '@jupyter-widgets/base',
  widgets: '@lumino/widgets'
};

/** @typedef {Record<keyof typeof NAMES, any>} Lab */

/**
 * @param {Record<string, Record<string, any>>} scope
 * @returns {Promise<Lab>}
 */
export async function take(scope) {
  const found = await Promise.all(
    Object.entries(NAMES).map(async ([short, name]) => [short, await one(scope[name])])
  );
  return Object.fromEntries(found);
}

/**
 * Return the one of several versions that is in use already, else the newest.
 *
 * @param {Record<string, any> | undefined} versions
 */
async function one(versions) {
  const known = Object.entries(versions ?? {});
  if (!known.length) {
    return null;
  }
  known.sort(([a, one], [b, other]) => rank(other) - rank(one) || newer(b, a));
  const factory = await known[0][1].get();
  return factory();
}

/** @param {{loaded?: any, eager?: boolean}} version */
const rank = version => (version.loaded ? 2 : 0) + (version.eager ? 1 : 0);

/**
 * @param {string} a
 * @param {string} b
 */
const newer = (a, b) => a.localeCompare(b, 'en', { numeric: true });
