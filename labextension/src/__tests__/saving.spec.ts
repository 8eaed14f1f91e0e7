import { DocumentRegistry } from '@jupyterlab/docregistry';
import { Signal } from '@lumino/signaling';

import { save } from '../saving';

/**
 * A document of which only what is asked is there.
 */
class FakeModel {
  dirty = true;
  stateChanged = new Signal<this, void>(this);
  constructor(readonly collaborative: boolean) {}
}

function opened(model: FakeModel): {
  context: DocumentRegistry.Context;
  saved: () => number;
} {
  let saved = 0;
  const context = { model, save: async () => void saved++ };
  return {
    context: context as unknown as DocumentRegistry.Context,
    saved: () => saved
  };
}

describe('save', () => {
  it('saves a document of this page alone', async () => {
    const { context, saved } = opened(new FakeModel(false));
    await save(context);
    expect(saved()).toBe(1);
  });

  it('waits for a server that saves by itself', async () => {
    const model = new FakeModel(true);
    const { context, saved } = opened(model);
    let done = false;
    const saving = save(context).then(() => (done = true));
    model.stateChanged.emit();
    await Promise.resolve();
    expect(done).toBe(false);
    model.dirty = false;
    model.stateChanged.emit();
    await saving;
    expect(saved()).toBe(0);
  });

  it('leaves what is on the disk already', async () => {
    const model = new FakeModel(true);
    model.dirty = false;
    const { context, saved } = opened(model);
    await save(context);
    expect(saved()).toBe(0);
  });

  it('asks a server that does not save by itself', async () => {
    const { context, saved } = opened(new FakeModel(true));
    await save(context, 10);
    expect(saved()).toBe(1);
  });
});
