import { Notification } from '@jupyterlab/apputils';

import * as toasts from '../toasts';

/**
 * Lose what is done to a notification before its toast is drawn, as JupyterLab does.
 */
function drawnToasts() {
  const shown = new Map<string, string>();
  const drawn = new Set<string>();
  const onChange = (_: unknown, change: Notification.IChange) => {
    const { id, message } = change.notification;
    if (change.type === 'added') {
      shown.set(id, message);
    } else if (drawn.has(id)) {
      if (change.type === 'updated') {
        shown.set(id, message);
      } else {
        shown.delete(id);
      }
    }
  };
  Notification.manager.changed.connect(onChange);
  const draw = (id: string) => {
    drawn.add(id);
    document.body.appendChild(document.createElement('div')).id = id;
  };
  return { shown, draw };
}

describe('toasts', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
    Notification.dismiss();
    document.body.replaceChildren();
  });

  it('say at last what they were changed to before they were drawn', () => {
    const { shown, draw } = drawnToasts();
    const id = toasts.emit('waits', 'in-progress', { autoClose: false });
    toasts.update({ id, message: 'runs' });
    toasts.update({ id, message: 'is done', type: 'success' });
    expect(shown.get(id)).toBe('waits');

    draw(id);
    jest.advanceTimersByTime(200);
    expect(shown.get(id)).toBe('is done');
    expect(Notification.manager.notifications[0].type).toBe('success');
  });

  it('go, if they were dismissed before they were drawn', () => {
    const { shown, draw } = drawnToasts();
    const id = toasts.emit('waits', 'in-progress', { autoClose: false });
    toasts.dismiss(id);
    draw(id);
    jest.advanceTimersByTime(200);
    expect([shown.size, Notification.manager.count]).toEqual([0, 0]);
  });

  it('change at once when they are drawn', () => {
    const { shown, draw } = drawnToasts();
    const id = toasts.emit('waits', 'in-progress', { autoClose: false });
    draw(id);
    jest.advanceTimersByTime(200);
    toasts.update({ id, message: 'is done' });
    expect(shown.get(id)).toBe('is done');
    toasts.dismiss(id);
    expect([shown.size, toasts.isThere(id)]).toEqual([0, false]);
  });

  it('stay away when the user took them away', () => {
    const { shown, draw } = drawnToasts();
    const id = toasts.emit('waits', 'in-progress', { autoClose: false });
    draw(id);
    toasts.update({ id, message: 'runs' });
    Notification.dismiss(id);
    jest.advanceTimersByTime(200);
    expect([shown.size, toasts.isThere(id)]).toEqual([0, false]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('do not come out of nowhere when none was drawn', () => {
    drawnToasts();
    const id = toasts.emit('waits', 'in-progress', { autoClose: false });
    toasts.update({ id, message: 'is done' });
    const seen = jest.fn();
    Notification.manager.changed.connect(seen);
    jest.advanceTimersByTime(61_000);
    expect(seen).not.toHaveBeenCalled();
    expect(Notification.manager.notifications[0].message).toBe('is done');
  });

  it('are not waited for while none is drawn', () => {
    const { shown } = drawnToasts();
    const id = toasts.emit('waits', 'in-progress', { autoClose: false });
    toasts.dismiss(id);
    jest.advanceTimersByTime(61_000);
    expect(shown.size).toBe(1);
    expect(Notification.manager.count).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });
});
