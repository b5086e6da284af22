import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';

import { SAVED_MAP_MIME, WIDGET_VIEW_MIME } from '../tokens';

interface ISavedMap {
  text: string;
  saved: string;
}

/** How long a kernel may take to bring back the map before its picture is shown. */
const PATIENCE = 4000;
/** The widget manager marks what it could not bring back with this class and a line of text. */
const NOT_FOUND = 'Error displaying widget';

/** A map in an output: live, or its saved picture with its text. */
export class SavedMap extends Panel implements IRenderMime.IRenderer {
  constructor(options: IRenderMime.IRendererOptions, rendermime: IRenderMimeRegistry) {
    super();
    this._rendermime = rendermime;
    this.addClass('tnb-SavedMap');
    this.addClass('jp-RenderedHTMLCommon');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._observer?.disconnect();
    window.clearTimeout(this._timer);
    while (this.widgets.length) {
      this.widgets[0].dispose();
    }
    const picture = this._pictureOf(model);
    if (!this._rendermime.getFactory(WIDGET_VIEW_MIME)) {
      this.addWidget(picture);
      return;
    }
    const live = this._rendermime.createRenderer(WIDGET_VIEW_MIME);
    picture.hide();
    this.addWidget(picture);
    this.addWidget(live);
    const settle = (): void => {
      const dead = live.node.textContent?.startsWith(NOT_FOUND) ?? false;
      const there = !!live.node.querySelector('.leaflet-container, .jupyter-widgets-view');
      if (dead) {
        live.hide();
        picture.show();
      } else if (there) {
        picture.hide();
        live.show();
        window.clearTimeout(this._timer);
      }
    };
    this._observer = new MutationObserver(settle);
    this._observer.observe(live.node, { childList: true, subtree: true });
    this._timer = window.setTimeout(() => {
      if (!live.node.querySelector('.leaflet-container')) {
        live.hide();
        picture.show();
      }
    }, PATIENCE);
    // Not awaited: the widget manager answers only once the kernel is there, and the picture must not wait for it.
    void live.renderModel(model).then(settle, settle);
  }

  dispose(): void {
    this._observer?.disconnect();
    window.clearTimeout(this._timer);
    super.dispose();
  }

  private _pictureOf(model: IRenderMime.IMimeModel): Widget {
    const told = model.data[SAVED_MAP_MIME] as unknown as ISavedMap;
    const figure = document.createElement('figure');
    figure.className = 'tnb-SavedMap-picture';
    const png = model.data['image/png'];
    if (typeof png === 'string') {
      const image = document.createElement('img');
      image.src = `data:image/png;base64,${png.replace(/\s/g, '')}`;
      image.alt = told.text;
      figure.append(image);
    }
    const caption = document.createElement('figcaption');
    const saved = document.createElement('strong');
    saved.textContent = told.saved;
    const text = document.createElement('span');
    text.textContent = told.text;
    caption.append(saved, text);
    figure.append(caption);
    return new Widget({ node: figure });
  }

  private _rendermime: IRenderMimeRegistry;
  private _observer: MutationObserver | null = null;
  private _timer = 0;
}
