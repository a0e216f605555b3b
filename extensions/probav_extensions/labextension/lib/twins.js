// @ts-check
/**
 * A saved notebook shows the picture of a map or chart where its widget is gone.
 *
 * An output carries both. JupyterLab takes the widget, and says "model not found" where the kernel that made it
 * has ended; here the next best of the same output is shown instead.
 */

const WIDGET = 'application/vnd.jupyter.widget-view+json';
const FAILED = 'Error displaying widget';
const RANK = -10; // as the widgets' own

/** @param {import('./shared.js').Lab} lab */
export function twins(lab) {
  const tracker = lab.notebook?.INotebookTracker;
  const registry = lab.jupyterWidgets?.IJupyterWidgetRegistry; // given when the widgets' own plugin is there
  return {
    id: 'probav-panel:twins',
    description: 'Pictures of maps and charts in notebooks whose kernel has ended.',
    autoStart: true,
    requires: tracker && registry ? [tracker, registry] : [],
    /**
     * @param {any} _app
     * @param {any} [notebooks]
     */
    activate: (_app, notebooks) => {
      notebooks?.forEach(attend);
      notebooks?.widgetAdded.connect((/** @type {any} */ _, /** @type {any} */ panel) => attend(panel));
    }
  };
}

/** @param {any} panel a notebook */
function attend(panel) {
  const rendermime = panel.content.rendermime;
  const factory = rendermime.getFactory(WIDGET);
  if (!factory) {
    return;
  }
  /** @param {any} options */
  const createRenderer = options => {
    const renderer = factory.createRenderer(options);
    const render = renderer.renderModel.bind(renderer);
    renderer.renderModel = async (/** @type {any} */ model) => {
      await render(model);
      if (renderer.node.textContent?.startsWith(FAILED)) {
        await showTwin(rendermime, renderer, model);
      }
    };
    return renderer;
  };
  rendermime.addFactory({ ...factory, safe: factory.safe, mimeTypes: [WIDGET], createRenderer }, RANK);
}

/**
 * @param {any} rendermime
 * @param {any} renderer of the widget, which is a panel
 * @param {any} model
 */
async function showTwin(rendermime, renderer, model) {
  const { [WIDGET]: _, ...data } = model.data;
  const type = rendermime.preferredMimeType(data, model.trusted ? 'any' : 'ensure');
  if (!type) {
    return;
  }
  const twin = rendermime.createRenderer(type);
  await twin.renderModel(rendermime.createModel({ data, metadata: model.metadata, trusted: model.trusted }));
  renderer.node.textContent = '';
  renderer.removeClass('jupyter-widgets');
  renderer.addWidget(twin);
}
