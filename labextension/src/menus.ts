/**
 * Menus that are made for one opening.
 */

import { Menu } from '@lumino/widgets';

/**
 * Open a menu, dispose of it once it is closed, and give the focus back where nothing else took it.
 */
export function openAt(menu: Menu, at: { x: number; y: number }): void {
  const before = document.activeElement as HTMLElement | null;
  menu.aboutToClose.connect(() => {
    // The command that was chosen is run after the menu has closed.
    setTimeout(() => {
      menu.dispose();
      if (document.activeElement === document.body) {
        before?.focus();
      }
    });
  });
  menu.open(at.x, at.y);
}
