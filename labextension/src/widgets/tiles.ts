import L from 'leaflet';
import { LeafletTileLayerView } from 'jupyter-leaflet';

import { TerrascopeTilesModel } from '../models/layer';
import { ITileAddress, TileResult } from '../tokens';
import { mapState } from './state';

/** One tile on the map: what is drawn, and what is under way for it. */
interface ITile {
  el: HTMLDivElement;
  image: HTMLImageElement | null;
  address: ITileAddress;
  request: string;
  failed: boolean;
  /** Not asked for yet, since the layer is hidden. */
  deferred: boolean;
  done: ((error: any, tile: HTMLElement) => void) | null;
}

/** A layer whose tiles the kernel paints and sends over the widget's comm. */
export class TerrascopeTilesView extends LeafletTileLayerView {
  declare model: TerrascopeTilesModel;

  create_obj(): void {
    const view = this;
    const Grid: any = L.GridLayer.extend({
      createTile(coords: ITileAddress, done: any): HTMLElement {
        return view._create(coords, done);
      },
      // ipyleaflet calls these two on every tile layer when its address changes; ours has no address.
      setUrl(): void {},
      refresh(): void {}
    });
    this.obj = new Grid({ ...this.get_options(), zIndex: this.model.get('order') });
    this.obj.on('tileunload', (event: any) => this._drop(event.tile));
    this.obj.on('add', () => this._onAdd());
    this.obj.on('remove', () => this._onRemove());
    this.obj.on('zoomend viewreset', () => this._sharpen());
  }

  leaflet_events(): void {
    super.leaflet_events();
    this._unsubscribe = this.model.tiles.subscribe(
      () => this._tell(),
      () => this._retry()
    );
  }

  model_events(): void {
    super.model_events();
    this.listenTo(this.model, 'change:revision', () => this._repaint());
    this.listenTo(this.model, 'change:order', () => (this.obj as any).setZIndex(this.model.get('order')));
    this.listenTo(this.model, 'change:note change:name change:words', () => this._tell());
    this.listenTo(this.model, 'change:bounds change:max_native_zoom', () => this.obj.redraw());
    this.listenTo(this.model, 'change:still_url', () => this._showStill());
    this.listenTo(this.model, 'change:opacity change:visible', () => this._fadeStill());
    this.listenTo(this.model, 'change:visible', () => this._askDeferred());
    this.listenTo(this.model, 'comm_live_update', () => {
      this._showStill();
      this._tell();
      if (this.model.tiles.live) {
        this._repaint();
      }
    });
  }

  /** Leaflet's events come without a kernel, too. */
  send(content: any, buffers?: ArrayBuffer[] | ArrayBufferView[]): void {
    if (this.model.tiles.live) {
      super.send(content, buffers);
    }
  }

  remove(): void {
    this._unsubscribe();
    this._onRemove();
    super.remove();
  }

  private _create(address: ITileAddress, done: (error: any, tile: HTMLElement) => void): HTMLElement {
    const el = document.createElement('div');
    el.className = 'tnb-Tile';
    const tile: ITile = { el, image: null, address: { ...address }, request: '', failed: false, deferred: false, done };
    this._tiles.set(el, tile);
    this._ask(tile);
    return el;
  }

  private _ask(tile: ITile): void {
    if (tile.request) {
      this.model.tiles.cancel(tile.request);
    }
    tile.deferred = !this.model.get('visible');
    if (!this.model.tiles.live || tile.deferred) {
      this._finish(tile);
      return;
    }
    tile.request = this.model.tiles.request(tile.address, result => {
      tile.request = '';
      this._show(tile, result);
    });
  }

  /** The old picture stays until the new one is decoded, so that a change of look does not flicker. */
  private _show(tile: ITile, result: TileResult): void {
    if (!this._tiles.has(tile.el)) {
      return;
    }
    tile.failed = result.state === 'error';
    if (result.state === 'picture') {
      const image = document.createElement('img');
      const url = URL.createObjectURL(result.picture);
      image.alt = '';
      image.className = 'tnb-Tile-picture';
      image.src = url;
      image.decode().then(
        () => this._swap(tile, image, url),
        error => this._show(tile, { state: 'error', reason: String(error) })
      );
      return;
    }
    if (result.state === 'error') {
      tile.el.replaceChildren(errorNode(result.reason));
      tile.image = null;
      this._reason = result.reason;
      this._tell();
    } else if (result.state === 'empty') {
      tile.el.replaceChildren();
      tile.image = null;
    }
    this._finish(tile);
  }

  private _swap(tile: ITile, image: HTMLImageElement, url: string): void {
    URL.revokeObjectURL(url);
    if (this._tiles.has(tile.el)) {
      tile.el.replaceChildren(image);
      tile.image = image;
      this._finish(tile);
      this._tell();
    }
  }

  /** Leaflet counts a tile as loaded once. */
  private _finish(tile: ITile): void {
    const done = tile.done;
    tile.done = null;
    if (done) {
      queueMicrotask(() => done(null, tile.el));
    }
  }

  private _drop(el: HTMLElement): void {
    const tile = this._tiles.get(el);
    this._tiles.delete(el);
    if (tile?.request) {
      this.model.tiles.cancel(tile.request);
    }
    this._tell();
  }

  /** Ask again for all that is on the map: time, stretch or colours changed. */
  private _repaint(): void {
    this._reason = '';
    this._tiles.forEach(tile => this._ask(tile));
    this._tell();
  }

  private _retry(): void {
    this._tiles.forEach(tile => {
      if (tile.failed) {
        this._ask(tile);
      }
    });
    this._tell();
  }

  private _askDeferred(): void {
    this._tiles.forEach(tile => {
      if (tile.deferred) {
        this._ask(tile);
      }
    });
    this._tell();
  }

  /** Beyond the finest zoom pixels are drawn as squares, so that what is seen is what was measured. */
  private _sharpen(): void {
    const finest = this.model.get('max_native_zoom');
    const map = this.map_view.obj;
    const container = (this.obj as any).getContainer?.() as HTMLElement | undefined;
    container?.classList.toggle('tnb-mod-pixels', finest !== null && !!map && map.getZoom() > finest);
  }

  private _onAdd(): void {
    this._sharpen();
    this._showStill();
    this._tell();
  }

  private _onRemove(): void {
    this._still?.remove();
    this._still = null;
    const map = this.map_view.obj;
    if (map) {
      mapState(map).drop(this.cid);
    }
  }

  /** Without a kernel the picture that was saved with the layer stands in for its tiles. */
  private _showStill(): void {
    const url = this.model.get('still_url') as string;
    const map = this.map_view.obj;
    this._still?.remove();
    this._still = null;
    if (url && map && !this.model.tiles.live) {
      this._still = L.imageOverlay(url, this.model.get('still_bounds'), { pane: 'tilePane' });
      this._still.addTo(map);
      this._still.setZIndex(this.model.get('order'));
      this._fadeStill();
    }
  }

  private _fadeStill(): void {
    this._still?.setOpacity(this.model.get('visible') ? this.model.get('opacity') : 0);
  }

  private _tell(): void {
    const map = this.map_view.obj;
    if (!map || !map.hasLayer(this.obj)) {
      return;
    }
    const words = this.model.words;
    const { pending, busy } = this.model.tiles.state;
    const name = this.model.get('name') as string;
    const failed = [...this._tiles.values()].some(tile => tile.failed);
    mapState(map).set(this.cid, {
      label: words.map,
      name,
      pending,
      message: pending ? words[busy ? 'busy' : 'loading'] : words.ready,
      error: failed ? words.failed.replace('{name}', name).replace('{reason}', this._reason) : '',
      note: this.model.get('note'),
      gone: this.model.tiles.live ? '' : words.gone,
      retryLabel: words.retry,
      retry: () => this._retry()
    });
  }

  private _tiles = new Map<HTMLElement, ITile>();
  private _still: L.ImageOverlay | null = null;
  private _reason = '';
  private _unsubscribe: () => void = () => undefined;
}

function errorNode(reason: string): HTMLElement {
  const node = document.createElement('div');
  node.className = 'tnb-Tile-error';
  node.textContent = reason;
  node.title = reason;
  return node;
}
