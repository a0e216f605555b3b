// @ts-check
/** Names, for screen readers, of what the widgets' libraries leave without one. */

const NAMELESS = '.widget-slider .noUi-handle:not([aria-label]), .leaflet-sbs-range:not([aria-label])';

/** Name sliders as the words beside them do, and the divider of a split map, whenever one appears. */
export function nameSliders() {
  const name = () => {
    for (const found of document.querySelectorAll(NAMELESS)) {
      const words = found.closest('.widget-slider')?.querySelector('.widget-label')?.textContent;
      const divider = found.classList.contains('leaflet-sbs-range');
      found.setAttribute('aria-label', divider ? 'Divider between the two dates' : words || 'Slider');
    }
  };
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
}
