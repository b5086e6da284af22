import L from 'leaflet';

/** What a layer wants said on its map. */
export interface ILayerState {
  /** What a screen reader calls the map. */
  label: string;
  name: string;
  pending: number;
  /** A sentence with `{name}` and `{count}`. */
  message: string;
  error: string;
  note: string;
  /** Why no tile will ever come; the same for all layers of a kernel, so it is said once. */
  gone: string;
  retryLabel: string;
  retry: () => void;
}

/** What the layers of one map are doing: a spinner while tiles are under way, a sentence when something is wrong. */
export class MapState {
  constructor(map: L.Map) {
    this._node = document.createElement('div');
    this._node.className = 'tnb-MapState';
    this._spoken = document.createElement('div');
    this._spoken.className = 'tnb-MapState-spoken';
    this._spoken.setAttribute('role', 'status');
    this._spoken.setAttribute('aria-live', 'polite');
    this._rows = document.createElement('div');
    this._node.append(this._rows, this._spoken);
    L.DomEvent.disableClickPropagation(this._node);
    const container = map.getContainer();
    this._container = container;
    container.classList.add('tnb-Map');
    container.setAttribute('role', 'region');
    container.appendChild(this._node);
    // The page may give the map more or less room without telling it.
    new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(container);
    // Keys pressed on the map are the map's, not commands of a notebook; the lab looks for this on what has the focus.
    container.addEventListener('focusin', event => {
      const target = event.target as HTMLElement;
      if (!target.matches(':read-write')) {
        target.setAttribute('data-lm-suppress-shortcuts', 'true');
      }
    });
  }

  set(key: string, state: ILayerState): void {
    this._container.setAttribute('aria-label', state.label);
    this._layers.set(key, state);
    this._update();
  }

  drop(key: string): void {
    this._layers.delete(key);
    this._update();
  }

  private _update(): void {
    if (!this._scheduled) {
      this._scheduled = requestAnimationFrame(() => {
        this._scheduled = 0;
        this._draw();
      });
    }
  }

  private _draw(): void {
    const rows: HTMLElement[] = [];
    const spoken: string[] = [];
    const gone = [...this._layers.values()].find(state => state.gone)?.gone;
    if (gone) {
      rows.push(row('tnb-mod-error', gone));
      spoken.push(gone);
    }
    for (const state of this._layers.values()) {
      if (state.pending) {
        const node = row('tnb-mod-loading', filled(state));
        const spinner = document.createElement('span');
        spinner.className = 'tnb-MapState-spinner';
        spinner.setAttribute('aria-hidden', 'true');
        node.prepend(spinner);
        rows.push(node);
        this._waited = true;
      }
      if (state.error && !gone) {
        rows.push(this._errorRow(state));
        spoken.push(state.error);
      }
      if (state.note) {
        rows.push(row('tnb-mod-note', state.note));
        spoken.push(state.note);
      }
      if (!state.error && !gone && !state.pending && this._waited) {
        spoken.push(filled(state));
      }
    }
    // A button that has the focus is not taken away under the reader's hands.
    const held = this._rows.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset.key : '';
    this._rows.replaceChildren(...rows);
    if (held) {
      this._rows.querySelector<HTMLElement>(`[data-key="${held}"]`)?.focus();
    }
    this._speak(spoken.join('. '));
  }

  private _errorRow(state: ILayerState): HTMLElement {
    const node = row('tnb-mod-error', state.error);
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'tnb-MapState-retry';
    button.textContent = state.retryLabel;
    button.dataset.key = state.name;
    button.addEventListener('click', state.retry);
    node.append(button);
    return node;
  }

  /** Screen readers hear the outcome, not each count. */
  private _speak(text: string): void {
    window.clearTimeout(this._speaking);
    this._speaking = window.setTimeout(() => {
      if (this._spoken.textContent !== text) {
        this._spoken.textContent = text;
      }
    }, 700);
  }

  private _container: HTMLElement;
  private _node: HTMLElement;
  private _rows: HTMLElement;
  private _spoken: HTMLElement;
  private _layers = new Map<string, ILayerState>();
  private _scheduled = 0;
  private _speaking = 0;
  private _waited = false;
}

const STATES = new WeakMap<L.Map, MapState>();

/** Return the state panel of a map, made when first asked for. */
export function mapState(map: L.Map): MapState {
  let state = STATES.get(map);
  if (!state) {
    state = new MapState(map);
    STATES.set(map, state);
  }
  return state;
}

function filled(state: ILayerState): string {
  return state.message.replace('{name}', state.name).replace('{count}', String(state.pending));
}

function row(kind: string, text: string): HTMLElement {
  const node = document.createElement('div');
  node.className = `tnb-MapState-row ${kind}`;
  const words = document.createElement('span');
  words.textContent = text;
  node.append(words);
  return node;
}
