/**
 * The icons of the extension, in the colours of the theme.
 */

import { LabIcon } from '@jupyterlab/ui-components';

const svg = (body: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">${body}</svg>`;

/**
 * A bound book with a dated line.
 */
export const logbookIcon = new LabIcon({
  name: 'vml-jupyter:logbook',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M6 2h13a1 1 0 0 1 1 1v18a1 1 0 0 1-1 1H6a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm2 2v16h10V4H8zm2 3h6v1.6h-6V7zm0 3.6h6v1.6h-6v-1.6zm0 3.6h4v1.6h-4v-1.6z"/>'
  )
});

/**
 * A box with a lid: what other programs put aside.
 */
export const archiveIcon = new LabIcon({
  name: 'vml-jupyter:archive',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M3 4h18v5h-1v11H4V9H3V4zm2 2v1h14V6H5zm1 3v9h12V9H6zm3 2h6v2H9v-2z"/>'
  )
});

/**
 * A camera.
 */
export const snapshotIcon = new LabIcon({
  name: 'vml-jupyter:snapshot',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M9 4 7.4 6H4a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h16a2 2 0 0 0 2-2V8a2 2 0 0 0-2-2h-3.400L15 4H9zm3 4.500a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zm0 1.800a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.400z"/>'
  )
});

/**
 * Two bars: what rests.
 */
export const suspendIcon = new LabIcon({
  name: 'vml-jupyter:suspend',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M7 5h4v14H7V5zm6 0h4v14h-4V5z"/>'
  )
});

/**
 * A screen on a stand: a machine.
 */
export const machineIcon = new LabIcon({
  name: 'vml-jupyter:machine',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M4 3h16a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2h-6v2h3v2H7v-2h3v-2H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm0 2v10h16V5H4z"/>'
  )
});

/**
 * An arrow back in time.
 */
export const restoreIcon = new LabIcon({
  name: 'vml-jupyter:restore',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M13 3a9 9 0 0 0-8.9 7.700L2.6 9.2 1.3 10.500l3.6 3.6 3.6-3.6-1.3-1.3-1.2 1.200A7.1 7.1 0 1 1 8.2 17l-1.3 1.300A9 9 0 1 0 13 3zm-1 4v5.600l4.4 2.6.8-1.4-3.5-2.100V7H12z"/>'
  )
});
