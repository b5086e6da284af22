import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IJupyterWidgetRegistry } from '@jupyter-widgets/base';

import { MODULE_NAME, MODULE_VERSION } from '../tokens';

/** Hands the map's layer classes to the widget manager; loaded when the first map asks for them. */
export const mapPlugin: JupyterFrontEndPlugin<void> = {
  id: 'terrascope-nb:map',
  description: 'Map tiles from the kernel over the widget channel.',
  autoStart: true,
  optional: [IJupyterWidgetRegistry],
  activate: (app: JupyterFrontEnd, registry: IJupyterWidgetRegistry | null) => {
    registry?.registerWidget({
      name: MODULE_NAME,
      version: MODULE_VERSION,
      exports: () => import('../widgets')
    });
  }
};
