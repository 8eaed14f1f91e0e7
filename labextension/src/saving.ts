/**
 * Saving a document before it is captured.
 */

import { DocumentRegistry } from '@jupyterlab/docregistry';

const PATIENCE_MS = 5000;

/**
 * Have a document on the disk as it is shown.
 *
 * With real-time collaboration the server saves by itself, about a second after the last change. If this page saved in
 * the moment before it hears of that, JupyterLab would take the server's saving for somebody else's, and ask which of
 * the two to keep. So the server is given its time, and asked only where it does not save by itself.
 */
export async function save(
  context: DocumentRegistry.Context,
  patience = PATIENCE_MS
): Promise<void> {
  const { model } = context;
  if (!model.collaborative || !(await becomesClean(model, patience))) {
    await context.save();
  }
}

async function becomesClean(
  model: DocumentRegistry.IModel,
  patience: number
): Promise<boolean> {
  let timer = 0;
  let look: () => void = () => undefined;
  await new Promise<void>(resolve => {
    look = () => (model.dirty ? undefined : resolve());
    model.stateChanged.connect(look);
    timer = window.setTimeout(resolve, patience);
    look();
  });
  window.clearTimeout(timer);
  model.stateChanged.disconnect(look);
  return !model.dirty;
}
