import { LeafletTileLayerModel } from 'jupyter-leaflet';

import { TileClient } from '../services/tiles';
import { IWords, MODULE_NAME } from '../tokens';

const ENGLISH: IWords = {
  map: 'Map',
  loading: '{name}: loading {count} tiles',
  ready: '{name}: shown',
  failed: '{name}: {reason}',
  busy: '{name}: waiting for the kernel, which is busy with a cell',
  timeout: 'no answer in {seconds} s',
  gone: 'The kernel that draws this map is gone. Run the cell again.',
  retry: 'Try again'
};

/** State of a layer whose tiles the kernel paints. */
export class TerrascopeTilesModel extends LeafletTileLayerModel {
  initialize(attributes: any, options: any): void {
    super.initialize(attributes, options);
    this.tiles = new TileClient(this);
  }

  // TypeScript sees fixed types in the parent's defaults; ours adds keys and widens none that the parent reads.
  defaults(): any {
    return {
      ...super.defaults(),
      _model_module: MODULE_NAME,
      _view_module: MODULE_NAME,
      _model_name: 'TerrascopeTilesModel',
      _view_name: 'TerrascopeTilesView',
      url: '',
      revision: 0,
      order: 1,
      timeout: 60,
      note: '',
      words: ENGLISH,
      still_url: '',
      still_bounds: []
    };
  }

  get words(): IWords {
    return { ...ENGLISH, ...this.get('words') };
  }

  tiles!: TileClient;
}
