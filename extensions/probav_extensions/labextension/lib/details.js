// @ts-check
/** A product in full: where it is, its layers, the names masks can use, whom to credit. */

import { drawn, element } from './dom.js';

/** @param {any} product */
export function details(product) {
  const [west, south, east, north] = product.bounds.map((/** @type {number} */ edge) => edge.toFixed(2));
  return element(
    'div',
    {},
    footprint(product),
    element('p', {}, `West ${west}, south ${south}, east ${east}, north ${north} (${product.crs}); pixels of ${product.resolution}.`),
    element('h3', {}, 'Variables'),
    element(
      'table',
      {},
      element('thead', {}, element('tr', {}, ...['Name', 'Meaning', 'Unit'].map(word => element('th', { scope: 'col' }, word)))),
      element('tbody', {}, ...product.variables.map(variable))
    ),
    product.masks.length > 0 && element('h3', {}, 'Masks'),
    product.masks.length > 0 &&
      element('dl', { class: 'jp-probav-masks' }, ...product.masks.flatMap((/** @type {any} */ mask) => [
        element('dt', {}, element('code', {}, mask.name)), element('dd', {}, mask.doc)
      ])),
    product.strata.length > 0 &&
      element('p', {}, 'Statistics can be split by ', ...listed(product.strata), '.'),
    element('p', { class: 'jp-probav-credit' }, `${product.citation} ${product.licence}`)
  );
}

/** @param {any} layer */
function variable(layer) {
  const classes = Object.entries(layer.classes);
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, element('code', {}, layer.name), layer.main && ' (main)'),
    element(
      'td',
      {},
      layer.words,
      classes.length > 0 &&
        element(
          'details',
          {},
          element('summary', {}, `${classes.length} codes`),
          element('ul', {}, ...classes.map(([code, words]) => element('li', {}, `${code} ${words}`)))
        )
    ),
    element('td', {}, layer.units || (layer.kind === 'continuous' ? '–' : 'codes'))
  );
}

/** @param {any} product */
function footprint(product) {
  const { width, height, land, tiles } = product.footprint;
  const words = tiles.length === 1 ? tiles[0].words : `${tiles.length} tiles or groups of them`;
  return drawn(
    'svg',
    { class: 'jp-probav-footprint', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Footprint of ${product.id}: ${words}` },
    drawn('path', { class: 'jp-probav-land', d: land }),
    ...tiles.map((/** @type {any} */ tile) =>
      drawn('path', { class: 'jp-probav-tile', d: tile.path, 'fill-opacity': 0.2 + 0.6 * tile.share }, drawn('title', {}, tile.words))
    )
  );
}

/** @param {string[]} words */
function listed(words) {
  return words.flatMap((word, index) => [index ? ', ' : '', element('code', {}, word)]);
}
