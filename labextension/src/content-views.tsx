/**
 * Foreign content on the screen: Markdown, code, images and outputs of notebooks, none of which may run anything.
 *
 * What an entry holds is never trusted. Markdown and HTML go through Lab's sanitizer, an SVG is drawn as an image,
 * in which scripts do not run, and of the many formats of an output only those below are drawn at all.
 */

import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IRenderMimeRegistry, MimeModel } from '@jupyterlab/rendermime';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { IOutput } from './page-records';

const IMAGES = [
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/svg+xml'
];
const TEXTS = ['text/html', 'text/markdown', 'text/latex', 'text/plain'];
const STDOUT = 'application/vnd.jupyter.stdout';
const STDERR = 'application/vnd.jupyter.stderr';
const LONGEST_CODE = 100_000;

/**
 * Draw one value with Lab's renderer for its format, as untrusted.
 */
export function MimeView(props: {
  rendermime: IRenderMimeRegistry;
  mime: string;
  text: string;
}): JSX.Element {
  const { rendermime, mime, text } = props;
  const host = React.useRef<HTMLDivElement>(null);
  // A layout effect is undone while its node is still in the document, where a widget must be when it is detached.
  React.useLayoutEffect(() => {
    const renderer = rendermime.createRenderer(mime);
    const model = new MimeModel({ data: { [mime]: text }, trusted: false });
    const attach = () => {
      if (host.current?.isConnected && !renderer.isDisposed) {
        Widget.attach(renderer, host.current);
      }
    };
    void renderer.renderModel(model).then(attach, attach);
    return () => {
      if (renderer.isAttached && renderer.node.isConnected) {
        Widget.detach(renderer);
      }
      if (!renderer.isAttached) {
        renderer.dispose();
      }
    };
  }, [rendermime, mime, text]);
  return <div className="vml-Mime" ref={host} />;
}

/**
 * Draw source code, highlighted where its language is known.
 */
export function CodeView(props: {
  languages: IEditorLanguageRegistry | null;
  code: string;
  language: string;
}): JSX.Element {
  const { languages, code, language } = props;
  const host = React.useRef<HTMLElement>(null);
  React.useEffect(() => {
    const node = host.current;
    if (!node) {
      return;
    }
    node.textContent = code;
    const known = language ? languages?.findBest(language) : null;
    if (!languages || !known || code.length > LONGEST_CODE) {
      return;
    }
    // Drawn aside, so that what is shown is replaced once and by the newest only.
    let stale = false;
    const drawn = document.createElement('code');
    languages.highlight(code, known, drawn).then(
      () => stale || node.replaceChildren(...drawn.childNodes),
      () => undefined
    );
    return () => {
      stale = true;
    };
  }, [languages, code, language]);
  return (
    // A line may be longer than the page is wide: who has no mouse moves in it by the arrow keys.
    <pre className="vml-Code" tabIndex={0}>
      <code ref={host} />
    </pre>
  );
}

/**
 * Draw an image from base64, or an SVG from its text.
 */
export function ImageView(props: {
  mime: string;
  data: string;
  label: string;
}): JSX.Element | null {
  const source = imageURL(props.mime, props.data);
  return source ? (
    <img
      className="vml-Image"
      src={source}
      alt={props.label}
      decoding="async"
    />
  ) : null;
}

/**
 * Return a data URL for an image element; null for what is none.
 */
export function imageURL(mime: string, data: string): string | null {
  if (!IMAGES.includes(mime)) {
    return null;
  }
  if (mime === 'image/svg+xml' && data.includes('<')) {
    return `data:${mime};charset=utf-8,${encodeURIComponent(data)}`;
  }
  const encoded = data.replace(/\s/g, '');
  return /^[A-Za-z0-9+/]+=*$/.test(encoded)
    ? `data:${mime};base64,${encoded}`
    : null;
}

/**
 * Draw the outputs of a cell.
 */
export function OutputsView(props: {
  outputs: IOutput[];
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  return (
    <div className="vml-Outputs">
      {props.outputs.map((output, index) => (
        <OutputView key={index} {...props} output={output} />
      ))}
    </div>
  );
}

function OutputView(props: {
  output: IOutput;
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { rendermime, trans } = props;
  const drawn = chosen(props.output);
  if (!drawn) {
    return (
      <p className="vml-Hint">
        {trans.__('An output that is shown only where it is run.')}
      </p>
    );
  }
  if (IMAGES.includes(drawn.mime)) {
    const label = trans.__('Image in the output of a cell');
    return <ImageView {...drawn} label={label} />;
  }
  return (
    <MimeView rendermime={rendermime} mime={drawn.mime} text={drawn.data} />
  );
}

/**
 * Return the format in which an output is drawn, and its value.
 */
export function chosen(output: IOutput): { mime: string; data: string } | null {
  switch (output.output_type) {
    case 'stream':
      return {
        mime: output.name === 'stderr' ? STDERR : STDOUT,
        data: joined(output.text)
      };
    case 'error': {
      const said = `${output.ename ?? ''}: ${output.evalue ?? ''}`;
      return { mime: STDERR, data: output.traceback?.join('\n') || said };
    }
    default: {
      const data = output.data ?? {};
      const mime = [...IMAGES, ...TEXTS].find(known => known in data);
      return mime ? { mime, data: joined(data[mime]) } : null;
    }
  }
}

function joined(value: unknown): string {
  return Array.isArray(value) ? value.join('') : String(value ?? '');
}

/**
 * Draw its children only when they come near to the sight.
 */
export function Lazy(props: {
  height: number;
  children: () => React.ReactNode;
}): JSX.Element {
  const host = React.useRef<HTMLDivElement>(null);
  const [near, setNear] = React.useState(
    typeof IntersectionObserver === 'undefined'
  );
  React.useEffect(() => {
    if (near || !host.current) {
      return;
    }
    const observer = new IntersectionObserver(
      seen => seen.some(one => one.isIntersecting) && setNear(true),
      { rootMargin: '600px' }
    );
    observer.observe(host.current);
    return () => observer.disconnect();
  }, [near]);
  return (
    <div ref={host} style={near ? undefined : { minHeight: props.height }}>
      {near && props.children()}
    </div>
  );
}
