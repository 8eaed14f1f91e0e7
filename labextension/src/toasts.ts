/**
 * Notifications that may change right after they were made.
 *
 * JupyterLab loads what draws its toasts with the first of them, and what is done to a notification until its toast is
 * drawn gets lost: it would say for ever that a job waits, which ended meanwhile. So the last change is made again once
 * the toast is there.
 */

import { Notification } from '@jupyterlab/apputils';

const LOOK_MS = 100;
// Nothing is drawn while notifications are silenced or listed.
const PATIENCE_MS = 60_000;

/** What was done last to those that may not be drawn yet. */
const undrawn = new Map<string, () => void>();

/**
 * Make a notification.
 *
 * @returns Its id.
 */
export function emit(
  message: string,
  type: Notification.TypeOptions,
  options: Notification.IOptions<never>
): string {
  const id = Notification.emit(message, type, options);
  const end = Date.now() + PATIENCE_MS;
  undrawn.set(id, () => undefined);
  const timer = setInterval(() => {
    if (document.getElementById(id) || !isThere(id) || Date.now() > end) {
      clearInterval(timer);
      undrawn.get(id)?.();
      undrawn.delete(id);
    }
  }, LOOK_MS);
  return id;
}

/**
 * Change a notification; one that the user dismissed stays dismissed.
 */
export function update(changed: Notification.IUpdate<never>): void {
  const change = () => void Notification.update(changed);
  if (undrawn.has(changed.id)) {
    undrawn.set(changed.id, change);
  }
  change();
}

/**
 * Take a notification away.
 */
export function dismiss(id: string): void {
  const take = () => Notification.dismiss(id);
  if (undrawn.has(id)) {
    undrawn.set(id, take); // taken away now, its toast would still be drawn, and stay
  } else {
    take();
  }
}

/**
 * Whether a notification was not dismissed.
 */
export function isThere(id: string): boolean {
  return Notification.manager.has(id);
}
