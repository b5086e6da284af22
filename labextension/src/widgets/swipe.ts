import L from 'leaflet';
import { LeafletControlView } from 'jupyter-leaflet';

/** What a layer is drawn in, if it is something that can be clipped. */
type Drawn = { getContainer?: () => HTMLElement | null; getElement?: () => HTMLElement | null };

const STEP = 0.02;

/** A bar on the map: some layers are seen to its left, others to its right. */
export class TerrascopeSwipeView extends LeafletControlView {
  create_obj(): void {
    const view = this;
    const Swipe: any = L.Control.extend({
      onAdd(): HTMLElement {
        // The bar spans the map, so it does not stand in a corner; the corner gets an empty node.
        view._onAdd();
        return L.DomUtil.create('div', 'tnb-Swipe-anchor');
      },
      onRemove(): void {
        view._onRemove();
      }
    });
    this.obj = new Swipe({ position: 'topright' });
  }

  model_events(): void {
    super.model_events();
    this.listenTo(this.model, 'change:share change:left change:right change:label', () => this._clip());
  }

  remove(): void {
    this._onRemove();
    super.remove();
  }

  private _onAdd(): void {
    const map = this.map_view.obj as L.Map;
    const bar = document.createElement('div');
    bar.className = 'tnb-Swipe';
    bar.tabIndex = 0;
    bar.setAttribute('role', 'slider');
    bar.setAttribute('aria-orientation', 'horizontal');
    bar.setAttribute('aria-valuemin', '0');
    bar.setAttribute('aria-valuemax', '100');
    bar.addEventListener('pointerdown', event => this._grab(bar, event));
    bar.addEventListener('keydown', event => this._key(event));
    L.DomEvent.disableClickPropagation(bar);
    map.getContainer().appendChild(bar);
    this._bar = bar;
    map.on('move zoomend resize layeradd viewreset', this._clip, this);
    this._clip();
  }

  private _onRemove(): void {
    (this.map_view.obj as L.Map | undefined)?.off('move zoomend resize layeradd viewreset', this._clip, this);
    this._bar?.remove();
    this._bar = null;
    this._clipped.forEach(node => (node.style.clipPath = ''));
    this._clipped.clear();
  }

  private _grab(bar: HTMLElement, event: PointerEvent): void {
    event.preventDefault();
    bar.focus();
    bar.setPointerCapture(event.pointerId);
    const move = (moved: PointerEvent) => {
      const box = (this.map_view.obj as L.Map).getContainer().getBoundingClientRect();
      this._set((moved.clientX - box.left) / box.width);
    };
    const stop = () => {
      bar.removeEventListener('pointermove', move);
      this.touch();
    };
    bar.addEventListener('pointermove', move);
    bar.addEventListener('pointerup', stop, { once: true });
    bar.addEventListener('pointercancel', stop, { once: true });
  }

  private _key(event: KeyboardEvent): void {
    const share = this.model.get('share') as number;
    const targets: { [key: string]: number } = {
      ArrowLeft: share - STEP,
      ArrowDown: share - STEP,
      ArrowRight: share + STEP,
      ArrowUp: share + STEP,
      PageDown: share - 5 * STEP,
      PageUp: share + 5 * STEP,
      Home: 0,
      End: 1
    };
    if (event.key in targets) {
      event.preventDefault();
      event.stopPropagation();
      this._set(targets[event.key]);
      this.touch();
    }
  }

  private _set(share: number): void {
    this.model.set('share', Math.min(Math.max(share, 0), 1));
  }

  /** Layers are drawn in nodes that move with the map, so the bar's place is told in each node's own pixels. */
  private async _clip(): Promise<void> {
    const map = this.map_view.obj as L.Map | undefined;
    const bar = this._bar;
    if (!map || !bar) {
      return;
    }
    const share = this.model.get('share') as number;
    bar.style.left = `${100 * share}%`;
    bar.setAttribute('aria-label', this.model.get('label'));
    bar.setAttribute('aria-valuenow', String(Math.round(100 * share)));
    const views = await Promise.all(this.map_view.layer_views.views as Promise<any>[]);
    if (this._bar !== bar) {
      return;
    }
    const left = this.model.get('left') as unknown[];
    const right = this.model.get('right') as unknown[];
    const size = map.getSize();
    const from = map.containerPointToLayerPoint([0, 0]);
    const to = map.containerPointToLayerPoint(size);
    const edge = from.x + size.x * share;
    const before = new Set(this._clipped);
    this._clipped.clear();
    for (const view of views) {
      const isLeft = left.includes(view.model);
      if (!isLeft && !right.includes(view.model)) {
        continue;
      }
      const drawn = view.obj as Drawn;
      const node = drawn.getContainer?.() ?? drawn.getElement?.();
      if (node) {
        const [x0, x1] = isLeft ? [from.x, edge] : [edge, to.x];
        node.style.clipPath = `polygon(${x0}px ${from.y}px, ${x1}px ${from.y}px, ${x1}px ${to.y}px, ${x0}px ${to.y}px)`;
        this._clipped.add(node);
        before.delete(node);
      }
    }
    before.forEach(node => (node.style.clipPath = ''));
  }

  private _bar: HTMLElement | null = null;
  private _clipped = new Set<HTMLElement>();
}
