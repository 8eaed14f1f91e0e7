/**
 * Waiting until the page has nothing more urgent to do.
 */

const PATIENCE_MS = 1000;

/**
 * Resolves when the browser is idle, after a second at the latest.
 */
export function idle(): Promise<void> {
  return new Promise(resolve => {
    // Safari has none; there what waits comes after what was asked for before.
    if ('requestIdleCallback' in window) {
      window.requestIdleCallback(() => resolve(), { timeout: PATIENCE_MS });
    } else {
      setTimeout(resolve);
    }
  });
}
