/** Names and messages shared by all parts. `widgets/live_map/tile_channel.py` is the other end. */

export const MODULE_NAME = 'terrascope-nb';

/** The widget manager matches this against the kernel's `*`, which a pre-release would not; PROTOCOL is what counts. */
export const MODULE_VERSION = '1.0.0';

/** Raised when messages change so that an older kernel could not answer; `widgets/live_map/handshake.py` has the same number. */
export const PROTOCOL = 2;

/** The part of an output of our widgets that only this extension reads. */
export const SAVED_MAP_MIME = 'application/vnd.terrascope-nb.map+json';

export const WIDGET_VIEW_MIME = 'application/vnd.jupyter.widget-view+json';

/** A tile of the web map. */
export interface ITileAddress {
  x: number;
  y: number;
  z: number;
}

/** What the kernel answers for one tile. */
export interface ITileAnswer {
  msg: 'tile';
  id: string;
  state: 'picture' | 'empty' | 'error' | 'cancelled';
  reason?: string;
}

/** What a tile became, for the one who draws it. */
export type TileResult =
  | { state: 'picture'; picture: Blob }
  | { state: 'empty' | 'cancelled' }
  | { state: 'error'; reason: string };

/** Sentences in the reader's language, sent by the kernel. */
export interface IWords {
  map: string;
  loading: string;
  ready: string;
  failed: string;
  busy: string;
  timeout: string;
  gone: string;
  retry: string;
}
