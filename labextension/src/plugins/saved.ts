import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { SAVED_MAP_MIME, WIDGET_VIEW_MIME } from '../tokens';
import { SavedMap } from '../widgets/saved';

/** Shows the live map where its kernel is, and the picture that was saved where it is not. */
export const savedPlugin: JupyterFrontEndPlugin<void> = {
  id: 'terrascope-nb:saved',
  description: 'A saved map keeps its picture.',
  autoStart: true,
  optional: [INotebookTracker, IRenderMimeRegistry],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker | null, everywhere: IRenderMimeRegistry | null) => {
    const adopt = (panel: NotebookPanel): void => {
      const { rendermime } = panel.content;
      rendermime.addFactory(
        {
          // As for widgets: an output of a notebook that is not trusted shows its plain picture instead.
          safe: false,
          mimeTypes: [SAVED_MAP_MIME],
          createRenderer: options =>
            new SavedMap(() => {
              // The lab's own factory knows no kernel; the widget manager gives each notebook one that does.
              const factory = rendermime.getFactory(WIDGET_VIEW_MIME);
              const known = factory && factory !== everywhere?.getFactory(WIDGET_VIEW_MIME);
              return known ? rendermime.createRenderer(WIDGET_VIEW_MIME) : null;
            })
        },
        -20
      );
    };
    tracker?.forEach(adopt);
    tracker?.widgetAdded.connect((_, panel) => adopt(panel));
  }
};
