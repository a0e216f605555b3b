// @ts-check
/**
 * The container that JupyterLab loads: it hands over what JupyterLab shares, and asks for the plugin.
 *
 * Written by hand for webpack's module federation, so that nothing needs to be built: the files beside it are
 * modules that the browser loads as they are. They lie in no folder called "static", whose files Jupyter lets
 * browsers keep for a year: these keep their names when they change.
 */
(() => {
  const here = /** @type {HTMLScriptElement} */ (document.currentScript).src;
  /** @type {Record<string, Record<string, {get: () => Promise<() => any>, eager?: boolean, loaded?: any}>>} */
  let shared = {};

  /** @param {string} file */
  const load = file => import(new URL(file, here).href);

  const modules = {
    './extension': async () => {
      const [{ plugin }, { twins }, { take }] = await Promise.all(
        ['plugin.js', 'twins.js', 'shared.js'].map(load)
      );
      const lab = await take(shared);
      return { __esModule: true, default: [plugin(lab), twins(lab)] };
    },
    './style': async () => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = new URL('style.css', here).href;
      document.head.append(link);
      return { __esModule: true };
    }
  };

  const page = /** @type {any} */ (window);
  page._JUPYTERLAB = page._JUPYTERLAB || {};
  page._JUPYTERLAB['probav-panel'] = {
    /** @param {typeof shared} scope */
    init(scope) {
      shared = scope;
    },
    /** @param {string} name */
    async get(name) {
      const make = modules[/** @type {keyof typeof modules} */ (name === './index' ? './extension' : name)];
      if (!make) {
        throw new Error(`probav-panel has no module ${name}; known: ${Object.keys(modules).join(', ')}`);
      }
      const exported = await make();
      return () => exported;
    }
  };
})();
