// @ts-check
/** The memory of the server and its kernels, with a warning before it is used up. */

import { element, size } from './dom.js';

const NEAR = 0.85;  // of what a profile allows
const LEFT = 0.1;  // of the machine's
const KEPT_SECONDS = 60;

export class Memory {
  /** @param {any} app */
  constructor(app) {
    this.isNearEnd = false;
    this.wasTold = false;
    /** @type {{at: number, ended: number | null, words: string}[]} What was seen within the last minute. */
    this.seen = [];
    this.words = element('p', {});
    this.fill = element('div', {});
    this.bar = element(
      'div',
      { class: 'jp-probav-meter', role: 'meter', 'aria-label': 'Memory used', 'aria-valuemin': 0, 'aria-valuemax': 100 },
      this.fill
    );
    this.node = element('section', { 'aria-labelledby': 'jp-probav-memory', hidden: true },
      element('h3', { id: 'jp-probav-memory' }, 'Memory'), this.bar, this.words);
    this.text = element('p', {});
    this.banner = element('div', { class: 'jp-probav-banner', role: 'alert', hidden: true }, this.text);
    if (app.commands.hasCommand('running:show-panel')) {
      this.banner.append(element('button', {
        type: 'button', class: 'jp-probav-button', onclick: () => app.commands.execute('running:show-panel')
      }, 'Show running kernels'));
    }
  }

  /**
   * @param {any} metrics Of jupyter-resource-usage, null without it.
   * @param {{total: number | null, available: number | null, ended: number | null} | null} machine
   */
  show(metrics, machine) {
    const used = metrics ? metrics.pss ?? metrics.rss : null;
    const allowed = metrics?.limits?.memory?.rss || null;
    const total = machine?.total ?? null;
    const free = machine?.available ?? null;
    const limit = allowed && total ? Math.min(allowed, total) : allowed ?? total;
    this.node.hidden = !limit;
    if (!limit) {
      return;
    }
    const isFull = used !== null && allowed !== null && used > NEAR * limit;
    const isScarce = total !== null && free !== null && free < LEFT * total;
    this.isNearEnd = isFull || isScarce;
    const shown = used ?? limit - (free ?? limit);
    const share = Math.min(100, Math.round((100 * shown) / limit));
    this.fill.style.width = `${share}%`;
    this.bar.classList.toggle('jp-mod-warn', this.isNearEnd);
    this.bar.setAttribute('aria-valuenow', String(share));
    const whose = used === null ? 'This machine' : 'Server and kernels';
    const rest = allowed === null && free !== null ? `; ${size(free)} free` : '';
    this.words.textContent = `${whose}: ${size(shown)} of ${size(limit)}${rest}`;
    this.bar.setAttribute('aria-valuetext', this.words.textContent);
    this._remember(machine?.ended ?? null);
    this._warn(isFull ? `${size(shown)} of ${size(limit)} are used` : `${size(free ?? 0)} of ${size(total ?? limit)} are free`);
  }

  /** @param {number | null} ended */
  _remember(ended) {
    const now = Date.now();
    this.seen = this.seen.filter(one => now - one.at < KEPT_SECONDS * 1000);
    this.seen.push({ at: now, ended, words: this.words.textContent ?? '' });
  }

  /**
   * Say how full memory was when a kernel died, and what to do; nothing where memory has nothing to do with it.
   *
   * JupyterLab shows 140 characters of a notification.
   *
   * @param {number | null} ended How many processes the system has ended for want of memory until now.
   * @returns {string}
   */
  explain(ended) {
    const before = this.seen.map(one => one.ended).filter(count => count !== null);
    const last = this.seen[this.seen.length - 1];
    if (ended === null || !last || !before.length || ended <= Math.min(...before)) {
      return '';
    }
    return `${last.words}, ${Math.round((Date.now() - last.at) / 1000)} s before. Take a smaller area or fewer dates.`;
  }

  /** Show the warning, or hide it; while it is shown it stays as it is, or it would be read out again. @param {string} words */
  _warn(words) {
    if (this.isNearEnd && this.banner.hidden) {
      this.text.textContent =
        `Memory is nearly used up: ${words}. A kernel that asks for more may be ended, with its variables. ` +
        'Take a smaller area or fewer dates, delete variables, or shut down kernels.';
    }
    this.banner.hidden = !this.isNearEnd;
    this.wasTold = this.wasTold && this.isNearEnd;
  }

  /** Tell once, where the banner can't be seen. @param {any} notification JupyterLab's. */
  notify(notification) {
    if (!this.wasTold) {
      this.wasTold = true;
      notification?.warning(this.text.textContent, { autoClose: false });
    }
  }
}
