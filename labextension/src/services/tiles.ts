import { WidgetModel } from '@jupyter-widgets/base';

import { ITileAddress, ITileAnswer, TileResult } from '../tokens';

/** A kernel that is silent for so long is called busy. */
const BUSY_AFTER = 3000;
/** An answer to a ping within this time means that the kernel lives and the tile itself is slow. */
const LIVELY = 2000;

interface IPending {
  done: (result: TileResult) => void;
  timer: number;
}

/** What the client tells those who draw the layer's state. */
export interface ITilesState {
  pending: number;
  busy: boolean;
}

/** Asks the kernel for tiles over the widget's comm; one per layer model, shared by its views. */
export class TileClient {
  constructor(model: WidgetModel) {
    this._model = model;
    model.on('msg:custom', (content: any, buffers: DataView[]) => this._onMessage(content, buffers));
    model.on('comm_live_update', () => this._onLiveChange());
  }

  get live(): boolean {
    return this._model.comm_live;
  }

  get state(): ITilesState {
    return { pending: this._pending.size, busy: this._busy };
  }

  /** Ask for a tile; `done` is called once, unless it is cancelled first. Returns the id to cancel it with. */
  request(tile: ITileAddress, done: (result: TileResult) => void): string {
    const id = `${this._prefix}-${this._count++}`;
    const seconds = this._model.get('timeout') as number;
    const timer = window.setTimeout(() => this._onTimeout(id, seconds), seconds * 1000);
    this._pending.set(id, { done, timer });
    this._asked.push({ id, z: tile.z, x: tile.x, y: tile.y });
    if (this._asked.length === 1) {
      queueMicrotask(() => this._sendAsked());
    }
    this._watch();
    this._changed();
    return id;
  }

  /** Say that a tile is no longer wanted: it left the view or its look changed. */
  cancel(id: string): void {
    if (this._forget(id)) {
      this._cancelled.push(id);
      if (this._cancelled.length === 1) {
        queueMicrotask(() => this._sendCancelled());
      }
      this._changed();
    }
  }

  /** Be told when the number of tiles under way changes, and when timed-out tiles are worth asking again. */
  subscribe(onChange: () => void, onRevive: () => void): () => void {
    const listener = { onChange, onRevive };
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  }

  private _onMessage(content: any, buffers: DataView[]): void {
    this._heard = Date.now();
    this._busy = false;
    if (content.msg === 'pong') {
      if (Date.now() - this._pinged > LIVELY) {
        this._listeners.forEach(listener => listener.onRevive());
      }
      this._pinged = 0;
      return;
    }
    if (content.msg !== 'tile') {
      return;
    }
    const answer = content as ITileAnswer;
    const pending = this._forget(answer.id);
    if (!pending) {
      return;
    }
    if (answer.state === 'picture') {
      const picture = new Blob([buffers[0] as DataView<ArrayBuffer>], { type: 'image/png' });
      pending.done({ state: 'picture', picture });
    } else if (answer.state === 'error') {
      pending.done({ state: 'error', reason: answer.reason ?? '' });
    } else {
      pending.done({ state: answer.state });
    }
    this._changed();
  }

  private _onTimeout(id: string, seconds: number): void {
    const pending = this._forget(id);
    if (!pending) {
      return;
    }
    this._cancelled.push(id);
    this._sendCancelled();
    if (!this._pinged && this.live) {
      this._pinged = Date.now();
      this._model.send({ msg: 'ping' }, {});
    }
    const reason = (this._model as any).words.timeout.replace('{seconds}', String(seconds));
    pending.done({ state: 'error', reason });
    this._changed();
  }

  /** Without a comm nobody will answer: let go of all tiles. */
  private _onLiveChange(): void {
    if (!this.live) {
      for (const id of [...this._pending.keys()]) {
        this._forget(id)?.done({ state: 'cancelled' });
      }
      this._busy = false;
    }
    this._changed();
  }

  /** A view asks for all its tiles at once: one message, which costs the kernel as much as one tile would. */
  private _sendAsked(): void {
    const tiles = this._asked.filter(tile => this._pending.has(tile.id));
    this._asked = [];
    if (tiles.length && this.live) {
      this._model.send({ msg: 'tiles', tiles }, {});
    }
  }

  private _sendCancelled(): void {
    if (this._cancelled.length && this.live) {
      this._model.send({ msg: 'cancel', ids: this._cancelled }, {});
    }
    this._cancelled = [];
  }

  private _forget(id: string): IPending | undefined {
    const pending = this._pending.get(id);
    if (pending) {
      window.clearTimeout(pending.timer);
      this._pending.delete(id);
    }
    return pending;
  }

  /** Notice a kernel that answers nothing while tiles wait, so that the map can say so. */
  private _watch(): void {
    if (this._watching) {
      return;
    }
    this._heard = Date.now();
    this._watching = window.setInterval(() => {
      const busy = this._pending.size > 0 && Date.now() - this._heard > BUSY_AFTER;
      if (busy !== this._busy) {
        this._busy = busy;
        this._changed();
      }
      if (!this._pending.size) {
        window.clearInterval(this._watching);
        this._watching = 0;
      }
    }, 500);
  }

  private _changed(): void {
    this._listeners.forEach(listener => listener.onChange());
  }

  private _model: WidgetModel;
  private _prefix = Math.random().toString(36).slice(2, 10);
  private _count = 0;
  private _pending = new Map<string, IPending>();
  private _asked: { id: string; z: number; x: number; y: number }[] = [];
  private _cancelled: string[] = [];
  private _listeners = new Set<{ onChange: () => void; onRevive: () => void }>();
  private _watching = 0;
  private _heard = 0;
  private _pinged = 0;
  private _busy = false;
}
