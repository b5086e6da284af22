import { LeafletTileLayerModel, LeafletTileLayerView } from 'jupyter-leaflet';

import { MODULE_NAME } from '../tokens';

/** An online basemap that tells the kernel when its tiles fail, so that it can be replaced. */
export class TerrascopeOnlineModel extends LeafletTileLayerModel {
  defaults(): any {
    return {
      ...super.defaults(),
      _model_module: MODULE_NAME,
      _view_module: MODULE_NAME,
      _model_name: 'TerrascopeOnlineModel',
      _view_name: 'TerrascopeOnlineView'
    };
  }
}

export class TerrascopeOnlineView extends LeafletTileLayerView {
  leaflet_events(): void {
    super.leaflet_events();
    let loaded = 0;
    let failed = 0;
    this.obj.on('tileload', () => (loaded += 1));
    this.obj.on('tileerror', () => {
      failed += 1;
      this.send({ msg: 'tileerror', failed, loaded });
    });
  }
}
