/**
 * How large a machine is to be: processors and memory, with what the server's computer has.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { IHostShape, IShape } from './records';

const STEP_MIB = 512;
const LEAST_MIB = 512;

export function ShapeFields(props: {
  /** What is usual here and what there is, still to come. */
  host: Promise<IHostShape>;
  trans: TranslationBundle;
  /** Null for what is usual. */
  onChange: (shape: IShape | null) => void;
}): JSX.Element | null {
  const { trans, onChange } = props;
  const [host, setHost] = React.useState<IHostShape | null>(null);
  const [shape, setShape] = React.useState<IShape | null>(null);
  React.useEffect(() => {
    // Without an answer the machine becomes as large as is usual here.
    props.host.then(
      told => {
        setHost(told);
        setShape(told.shape);
      },
      () => undefined
    );
  }, [props.host]);
  if (!host || !shape) {
    return null;
  }
  const change = (changed: Partial<IShape>) => {
    const wanted = { ...shape, ...changed };
    setShape(wanted);
    onChange(wanted);
  };
  const field = (
    id: string,
    label: string,
    value: number,
    limits: { min: number; max: number; step: number },
    write: (value: number) => void
  ) => (
    <span>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        data-testid={id}
        className="jp-mod-styled"
        type="number"
        required
        {...limits}
        value={value || ''}
        onChange={event => write(event.target.valueAsNumber || 0)}
      />
    </span>
  );
  return (
    <div className="vml-Form-shape">
      {field(
        'vml-restore-memory',
        trans.__('Memory (MiB, of %1)', host.memory_mib),
        shape.memory_mib,
        { min: LEAST_MIB, max: host.memory_mib, step: STEP_MIB },
        memory_mib => change({ memory_mib })
      )}
      {field(
        'vml-restore-cpus',
        trans.__('Processors (of %1)', host.cpus),
        shape.cpus,
        { min: 1, max: host.cpus, step: 1 },
        cpus => change({ cpus })
      )}
    </div>
  );
}
