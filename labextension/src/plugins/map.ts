import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IJupyterWidgetRegistry } from '@jupyter-widgets/base';

import { MODULE_NAME, MODULE_VERSION } from '../tokens';

/** Milliseconds after the lab is there in which nothing of ours is loaded. */
const QUIET = 1500;

const load = () => import('../widgets');

/** Hands the map's layer classes to the widget manager; they are fetched in a quiet moment, so that no map waits for them. */
export const mapPlugin: JupyterFrontEndPlugin<void> = {
  id: 'terrascope-nb:map',
  description: 'Map tiles from the kernel over the widget channel.',
  autoStart: true,
  optional: [IJupyterWidgetRegistry],
  activate: (app: JupyterFrontEnd, registry: IJupyterWidgetRegistry | null) => {
    registry?.registerWidget({
      name: MODULE_NAME,
      version: MODULE_VERSION,
      exports: load
    });
    // What goes wrong here goes wrong again for the first map, which says so.
    void app.restored.then(() => window.setTimeout(() => load().catch(() => undefined), QUIET));
  }
};
