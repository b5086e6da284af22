import { unpack_models } from '@jupyter-widgets/base';
import { LeafletControlModel } from 'jupyter-leaflet';

import { MODULE_NAME } from '../tokens';

/** State of the bar between two layers. `widgets/tools/swipe_control.py` is the other end. */
export class TerrascopeSwipeModel extends LeafletControlModel {
  defaults(): any {
    return {
      ...super.defaults(),
      _model_module: MODULE_NAME,
      _view_module: MODULE_NAME,
      _model_name: 'TerrascopeSwipeModel',
      _view_name: 'TerrascopeSwipeView',
      left: [],
      right: [],
      share: 0.5,
      label: ''
    };
  }

  static serializers: any = {
    ...LeafletControlModel.serializers,
    left: { deserialize: unpack_models },
    right: { deserialize: unpack_models }
  };
}
