import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel, Widget } from '@lumino/widgets';

import { SAVED_MAP_MIME } from '../tokens';

interface ISavedMap {
  text: string;
  saved: string;
}

/** How long a kernel may take to bring back the map before its picture is shown. */
const PATIENCE = 4000;
/** How often to look whether the notebook has a widget manager. */
const PERIOD = 100;
/** The widget manager writes this where it could not bring back a widget. */
const NOT_FOUND = 'Error displaying widget';

/** What the widget manager puts in place of a widget whose code it could not load. */
const BROKEN = ':scope > .lm-Widget > .jupyter-widgets-error-widget';

/** A map, or another of our widgets, in an output: live, or its saved picture with its text. */
export class SavedMap extends Panel implements IRenderMime.IRenderer {
  /**
   * @param create - makes the renderer of live widgets, or nothing while the notebook has no widget manager
   */
  constructor(create: () => IRenderMime.IRenderer | null) {
    super();
    this._create = create;
    this.addClass('tnb-SavedMap');
    this.addClass('jp-RenderedHTMLCommon');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._stop();
    while (this.widgets.length) {
      this.widgets[0].dispose();
    }
    this._live = null;
    this._picture = pictureOf(model);
    this._picture.hide();
    this.addWidget(this._picture);
    this._patience = window.setTimeout(() => this._settle(true), PATIENCE);
    this._start(model);
  }

  dispose(): void {
    this._stop();
    super.dispose();
  }

  private _start(model: IRenderMime.IMimeModel): void {
    const live = this._create();
    if (!live) {
      this._waiting = window.setTimeout(() => this._start(model), PERIOD);
      return;
    }
    this._live = live;
    this.addWidget(live);
    this._observer = new MutationObserver(() => this._settle(false));
    this._observer.observe(live.node, { childList: true, subtree: true });
    // Not awaited: the widget manager answers only once the kernel is there, and the picture must not wait for it.
    const settle = (): void => this._settle(false);
    void live.renderModel(model).then(settle, settle);
  }

  /** Show the live map where there is one; else its picture, once it is sure that none comes or patience is over. */
  private _settle(over: boolean): void {
    const live = this._live;
    const broken = !!live?.node.querySelector(BROKEN);
    const there = !broken && !!live?.node.querySelector(':scope > .lm-Widget');
    const dead = broken || (live?.node.textContent?.startsWith(NOT_FOUND) ?? false);
    if (there) {
      window.clearTimeout(this._patience);
    }
    if (there || dead || over) {
      this._picture?.setHidden(there);
      live?.setHidden(!there);
    }
  }

  private _stop(): void {
    this._observer?.disconnect();
    window.clearTimeout(this._patience);
    window.clearTimeout(this._waiting);
  }

  private _create: () => IRenderMime.IRenderer | null;
  private _live: IRenderMime.IRenderer | null = null;
  private _picture: Widget | null = null;
  private _observer: MutationObserver | null = null;
  private _patience = 0;
  private _waiting = 0;
}

function pictureOf(model: IRenderMime.IMimeModel): Widget {
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
