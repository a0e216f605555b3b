// @ts-check
/** Elements of a page, made without markup in strings: no text of an archive can become markup. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @param {string} name
 * @param {Record<string, any>} [properties] Attributes, and listeners by `onclick` and such names.
 * @param {...Child} children
 * @returns {any}
 */
export function element(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/**
 * @param {string} name
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {any}
 */
export function drawn(name, properties = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', name), properties, children);
}

/**
 * @param {any} made
 * @param {Record<string, any>} properties
 * @param {Child[]} children
 */
function filled(made, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) {
      made.addEventListener(key.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(key, value === true ? '' : String(value));
    }
  }
  made.append(...children.filter(child => child || child === ''));
  return made;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let index = 0;
  while (bytes >= 1000 && index < units.length - 1) {
    bytes /= 1000;
    index += 1;
  }
  return `${bytes < 10 && index ? bytes.toFixed(1) : Math.round(bytes)} ${units[index]}`;
}

/**
 * @param {number} count
 * @param {string} word
 */
export const counted = (count, word) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
