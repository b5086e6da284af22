import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { SAVED_MAP_MIME } from '../tokens';
import { SavedMap } from '../widgets/saved';

/** Shows the live map where its kernel is, and the picture that was saved where it is not. */
export const savedPlugin: JupyterFrontEndPlugin<void> = {
  id: 'terrascope-nb:saved',
  description: 'A saved map keeps its picture.',
  autoStart: true,
  optional: [INotebookTracker],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker | null) => {
    const adopt = (panel: NotebookPanel): void => {
      const { rendermime } = panel.content;
      rendermime.addFactory(
        {
          // As for widgets: an output of a notebook that is not trusted shows its plain picture instead.
          safe: false,
          mimeTypes: [SAVED_MAP_MIME],
          createRenderer: options => new SavedMap(options, rendermime)
        },
        -20
      );
    };
    tracker?.forEach(adopt);
    tracker?.widgetAdded.connect((_, panel) => adopt(panel));
  }
};
