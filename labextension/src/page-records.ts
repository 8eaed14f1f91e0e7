/**
 * What the server tells of the inside of an entry, as JSON. The words are those of the Python records.
 */

import { IEntry, IRelease } from './records';

/** What a snapshot would hold and cost. */
export interface IPreview {
  files: number;
  bytes: number;
  new_bytes: number;
  parent: string;
  largest: { path: string; bytes: number }[];
  ignored: { pattern: string; file: string; count: number }[];
  unreadable: string[];
  notes: string[];
}

/** Something that looks like a secret; `where` is a line or cell, and empty for the whole file. */
export interface ISecret {
  path: string;
  where: string;
  kind: string;
}

export interface ISecrets {
  found: ISecret[];
  files: number;
  /** How many files were not looked through, and why. */
  unseen: Record<string, number>;
}

export interface IWholeEnvironment {
  release?: IRelease | null;
  release_chosen?: boolean;
  os?: string;
  kernel?: string;
  architecture?: string;
  container?: string;
  cpu?: string;
  python?: string;
  interpreter?: string;
  kernelspec?: string;
  software?: { name: string; version?: string; platform?: string }[];
  cvmfs?: { path: string; revision?: number; tag?: string }[];
  git?: { commit?: string; branch?: string; state?: string } | null;
  variables?: Record<string, string>;
  packages?: Record<string, string>;
  notes?: string[];
}

export interface IDetails {
  entry: IEntry;
  environment: IWholeEnvironment;
  unreadable: number;
  /** How many files never held still while it was captured. */
  changing: number;
  snapshot: string;
  parent: IEntry | null;
  children: IEntry[];
  /** The Contents path of the folder it was taken from; null where this server does not show it. */
  here: string | null;
}

export interface IItem {
  name: string;
  type: string;
  size?: number;
  time?: string;
  target?: string;
}

export interface IListing {
  path: string;
  items: IItem[];
  total: number;
}

export interface IOutput {
  output_type: string;
  name?: string;
  text?: string | string[];
  data?: Record<string, unknown>;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

export interface ICell {
  type: string;
  source: string;
  outputs?: IOutput[];
  execution_count?: number | null;
}

export interface IImage {
  kind: 'image';
  mime: string;
  /** Base64. */
  data: string;
  bytes: number;
}

export type Shown =
  | { kind: 'notebook'; cells: ICell[]; language: string }
  | IImage
  | { kind: 'text'; text: string; cut: boolean }
  | { kind: 'opaque'; why: string };

export interface IFileSide {
  type: string;
  size: number;
  mode: number;
}

export interface IFileLine {
  path: string;
  kind: 'added' | 'removed' | 'changed';
  before?: IFileSide;
  after?: IFileSide;
  what?: string[];
}

export interface IChanges {
  before: string;
  counts: Record<string, { files: number; bytes: number }>;
  files: IFileLine[];
  /** How many there are; `files` has the first of them. */
  total: number;
  environment: {
    fields: Record<string, [string, string]>;
    packages: Record<string, [string | null, string | null]>;
  };
  unreadable: string[];
}

/** A stretch of two texts; a line's sign says on which side it is. */
export interface IHunk {
  before: number;
  after: number;
  lines: [' ' | '-' | '+', string][];
}

export interface ICellPair {
  kind: 'added' | 'removed' | 'changed';
  before_number?: number;
  after_number?: number;
  what?: string[];
  before?: ICell;
  after?: ICell;
  source?: IHunk[];
}

export type FileChange =
  | { kind: 'text'; hunks: IHunk[]; lines: [number, number] }
  | {
      kind: 'notebook';
      pairs: ICellPair[];
      cells: [number, number];
      metadata: boolean;
      language: string;
    }
  | { kind: 'image'; before: IImage | null; after: IImage | null }
  | { kind: 'opaque'; why: string };

/** One setting of the user's, as it is now. */
export interface ISetting {
  name: string;
  /** Its value, as a person would write it. */
  shown: string;
  origin: 'administrator' | 'environment' | 'file' | 'default';
  /** The variable that says it; empty where none can. */
  variable: string;
  help: string;
  /** What a value is, in words. */
  wants: string;
  editable: boolean;
}

export interface ISettings {
  /** Where what is changed is written. */
  file: string;
  settings: ISetting[];
}

/** Where an entry is written, and what of it. */
export interface IExportRequest {
  /** The file's path on the server. */
  to: string;
  leave_out: boolean;
  allow_secrets: boolean;
  with_release: boolean;
}

/** What an entry is compared with: another entry, or a folder as it is now. */
export type Other = { after: string } | { path: string };
