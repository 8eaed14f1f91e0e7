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

/** What was done last to those that may not be drawn yet: an update, or that they are to go. */
const undrawn = new Map<
  string,
  Notification.IUpdate<never> | 'dismiss' | null
>();

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
  undrawn.set(id, null);
  const timer = setInterval(() => {
    const isDrawn = document.getElementById(id) !== null;
    if (!isDrawn && isThere(id) && Date.now() < end) {
      return;
    }
    clearInterval(timer);
    const last = undrawn.get(id);
    undrawn.delete(id);
    if (last === 'dismiss') {
      Notification.dismiss(id);
    } else if (last && isDrawn) {
      // Else its toast would come out of nowhere, long after.
      Notification.update(last);
    }
  }, LOOK_MS);
  return id;
}

/**
 * Change a notification; one that the user dismissed stays dismissed.
 */
export function update(changed: Notification.IUpdate<never>): void {
  if (undrawn.has(changed.id)) {
    undrawn.set(changed.id, changed);
  }
  Notification.update(changed);
}

/**
 * Take a notification away.
 */
export function dismiss(id: string): void {
  if (undrawn.has(id)) {
    undrawn.set(id, 'dismiss'); // taken away now, its toast would still be drawn, and stay
  } else {
    Notification.dismiss(id);
  }
}

/**
 * Whether a notification was not dismissed.
 */
export function isThere(id: string): boolean {
  return Notification.manager.has(id);
}
