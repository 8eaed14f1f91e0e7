/**
 * The end of a machine's serial console, read again while it is in sight; what it says is shown as plain text.
 */

import * as React from 'react';

import { FailureView } from './failures';
import { failure } from './model';
import { IFailure, IMachine } from './records';

import type { IMachinePageOptions } from './machine-page';

const AGAIN_MS = 3_000;

export function ConsoleView(
  props: IMachinePageOptions & { known: IMachine }
): JSX.Element {
  const { known, model, trans } = props;
  const [text, setText] = React.useState<string | null>(null);
  const [refused, setRefused] = React.useState<IFailure | null>(null);
  const shown = React.useRef<HTMLPreElement>(null);
  React.useEffect(() => {
    let ended = false;
    const read = async () => {
      try {
        const said = await model.api.console(known.id);
        if (!ended) {
          setText(said);
          setRefused(null);
        }
      } catch (reason) {
        if (!ended) {
          setRefused(failure(reason));
        }
      }
    };
    void read();
    const timer = setInterval(() => {
      if (!document.hidden && shown.current?.offsetParent) {
        void read();
      }
    }, AGAIN_MS);
    return () => {
      ended = true;
      clearInterval(timer);
    };
  }, [known.id, model]);
  React.useEffect(() => {
    // Who reads further up is left there.
    const box = shown.current;
    if (box && box.scrollTop + box.clientHeight > box.scrollHeight - 200) {
      box.scrollTop = box.scrollHeight;
    }
  }, [text]);
  if (refused) {
    return <FailureView failure={refused} trans={trans} />;
  }
  return (
    <pre
      ref={shown}
      className="vml-Console"
      data-testid="vml-console"
      tabIndex={0}
      aria-label={trans.__('Console log')}
    >
      {text === '' ? trans.__('It has written nothing yet.') : text}
    </pre>
  );
}
