import { WidgetModel } from '@jupyter-widgets/base';

import { MODULE_NAME, PROTOCOL } from '../tokens';
import packageJson from '../../package.json';

/** Tells the kernel that this extension is here, which version, and whether the lab is dark. */
export class TerrascopeHelloModel extends WidgetModel {
  initialize(attributes: any, options: any): void {
    super.initialize(attributes, options);
    this._observer = new MutationObserver(() => {
      if (this._told !== isDark()) {
        this.sayHello();
      }
    });
    this._observer.observe(document.body, { attributeFilter: ['data-jp-theme-light'] });
    this.sayHello();
  }

  defaults(): any {
    return { ...super.defaults(), _model_module: MODULE_NAME, _model_name: 'TerrascopeHelloModel', version: '' };
  }

  close(comm_closed?: boolean): Promise<void> {
    this._observer.disconnect();
    return super.close(comm_closed);
  }

  sayHello(): void {
    if (this.comm_live) {
      this._told = isDark();
      this.send({ msg: 'hello', version: packageJson.version, protocol: PROTOCOL, dark: this._told }, {});
    }
  }

  private _observer!: MutationObserver;
  private _told: boolean | undefined;
}

function isDark(): boolean {
  return document.body.dataset.jpThemeLight === 'false';
}
