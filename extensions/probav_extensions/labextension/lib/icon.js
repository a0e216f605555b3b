// @ts-check
/** The panel's icon: a globe over a stack of layers. */

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
<g fill="none"><g class="jp-icon3" stroke="#616161" stroke-width="1.7" stroke-linejoin="round">
<circle cx="12" cy="8.5" r="6.5"/><path d="M5.5 8.5h13M12 2c4.2 4 4.2 9 0 13c-4.2-4-4.2-9 0-13"/>
<path d="M4 14.6L1.8 16 12 22.2 22.2 16 20 14.6"/></g></g></svg>`;

/** @type {any} */
let made = null;

/** @param {import('./shared.js').Lab} lab */
export function icon(lab) {
  made ??= new lab.icons.LabIcon({ name: 'probav:archive', svgstr: SVG });
  return made;
}
