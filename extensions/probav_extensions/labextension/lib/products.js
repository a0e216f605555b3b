// @ts-check
/** The list of products: searched, opened, and made into cells. */

import { details } from './details.js';
import { counted, element } from './dom.js';

const BUTTONS = {
  load: ['Load', 'Insert a cell that loads pixels of'],
  stats: ['Statistics', 'Insert a cell with statistics of'],
  map: ['Map', 'Insert and run a cell with a map of']
};

const NO_MEAN = 'Classes have no mean: use them in masks, or by --by in statistics of another product.';

export class Products {
  /**
   * @param {import('./server.js').Server} server
   * @param {(text: string, run: boolean) => Promise<void>} put
   */
  constructor(server, put) {
    this.server = server;
    this.put = put;
    /** @type {Row[]} */
    this.rows = [];
    this.chosen = '';
    this.search = element('input', {
      type: 'search', class: 'jp-probav-input', placeholder: 'Search products', 'aria-label': 'Search products',
      autocomplete: 'off', spellcheck: 'false', oninput: () => this._filter()
    });
    this.area = element('input', {
      type: 'text', id: 'jp-probav-area', class: 'jp-probav-input', autocomplete: 'off', spellcheck: 'false',
      placeholder: 'a small box in the middle', 'aria-describedby': 'jp-probav-area-hint'
    });
    this.found = element('p', { class: 'jp-probav-found', role: 'status' });
    this.list = element('ul', { class: 'jp-probav-products', 'aria-label': 'Products' });
    this.node = element(
      'div',
      { class: 'jp-probav-list' },
      this.search,
      this.found,
      this.list,
      element(
        'div',
        { class: 'jp-probav-area' },
        element('label', { for: 'jp-probav-area' }, 'Area of new cells'),
        this.area,
        element('p', { id: 'jp-probav-area-hint', class: 'jp-probav-hint' },
          'A variable, a country, a file, or west,south,east,north in degrees.')
      )
    );
  }

  focus() {
    if (!this.node.hidden) {
      this.search.focus();
    }
  }

  /** @param {any[]} products */
  show(products) {
    const open = this.rows.filter(row => row.isOpen).map(row => row.product.id);
    this.rows = products.map(product => new Row(this, product));
    this.list.replaceChildren(...this.rows.map(row => row.node));
    this._filter();
    for (const row of this.rows) {
      if (open.includes(row.product.id)) {
        void row.toggle();
      }
    }
  }

  _filter() {
    const words = this.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of this.rows) {
      row.node.hidden = !words.every((/** @type {string} */ word) => row.text.includes(word));
      count += row.node.hidden ? 0 : 1;
    }
    const all = counted(this.rows.length, 'product');
    this.found.textContent =
      words.length ? `${count} of ${all}` : this.rows.length ? all : 'The archive is empty: probav archive ingest fills it.';
  }

  /** Whether a command for the product that was opened last makes sense. @param {string} kind */
  can(kind) {
    const row = this.rows.find(row => row.product.id === this.chosen);
    return Boolean(row && (kind !== 'stats' || row.product.has_values));
  }

  /** @param {string} kind */
  async use(kind) {
    await this.rows.find(row => row.product.id === this.chosen)?.use(kind);
  }
}

class Row {
  /** @param {Products} products @param {any} product */
  constructor(products, product) {
    this.products = products;
    this.product = product;
    /** @type {any} */
    this.full = null;
    this.text = [product.id, product.title, ...product.variables].join(' ').toLowerCase();
    const id = `jp-probav-${product.id}`;
    this.more = element('div', { id, class: 'jp-probav-details', hidden: true });
    this.head = element(
      'button',
      { type: 'button', class: 'jp-probav-row', 'aria-expanded': 'false', 'aria-controls': id, onclick: () => this.toggle() },
      element('span', { class: 'jp-probav-id' }, product.id),
      element('span', { class: 'jp-probav-title' }, product.title),
      element('span', { class: 'jp-probav-dates' }, dates(product))
    );
    const buttons = Object.entries(BUTTONS).map(([kind, [label, words]]) => {
      const can = kind !== 'stats' || product.has_values;
      return element('button', {
        type: 'button', class: 'jp-probav-button', title: can ? `${words} ${product.id}` : NO_MEAN, disabled: !can,
        'aria-label': `${label}: ${words.toLowerCase()} ${product.id}`, onclick: () => this.use(kind)
      }, label);
    });
    this.node = element(
      'li',
      {},
      this.head,
      element('div', { class: 'jp-probav-buttons', role: 'group', 'aria-label': `Cells for ${product.id}` }, ...buttons),
      this.more
    );
  }

  get isOpen() {
    return !this.more.hidden;
  }

  async toggle() {
    this.more.hidden = !this.more.hidden;
    this.head.setAttribute('aria-expanded', String(this.isOpen));
    if (this.isOpen) {
      this.products.chosen = this.product.id;
      await this.read();
      const list = this.products.list;
      list.scrollTop += this.node.getBoundingClientRect().top - list.getBoundingClientRect().top;
    }
  }

  async read() {
    if (this.full) {
      return;
    }
    this.more.replaceChildren(element('p', {}, 'Reading …'));
    try {
      this.full = await this.products.server.get(`probav/api/products/${encodeURIComponent(this.product.id)}`);
      this.more.replaceChildren(details(this.full));
    } catch (error) {
      const words = /** @type {Error} */ (error).message;
      this.more.replaceChildren(element('p', { role: 'alert', class: 'jp-mod-error' }, words));
    }
  }

  /** @param {string} kind */
  async use(kind) {
    this.products.chosen = this.product.id;
    await this.read();
    const text = this.full?.cells[kind];
    if (text) {
      const area = this.products.area.value.trim() || this.full.area;
      await this.products.put(text.replace('{area}', () => quoted(area)), kind === 'map');
    } else if (!this.isOpen) {
      await this.toggle();  // which shows why
    }
  }
}

/** Quote as the magics' parser reads it. @param {string} word */
function quoted(word) {
  return /^[\w.,:/~@%+-]+$/.test(word) ? word : `"${word.replace(/[\\"$`]/g, '\\$&')}"`;
}

/** @param {any} product */
function dates(product) {
  const span = product.first === product.last ? product.first : `${product.first} – ${product.last}`;
  const when = product.first ? `${span}, ${counted(product.dates, 'date')}` : 'no dates yet';
  return `${when}, ${product.resolution.split(' (')[0]}`;
}
