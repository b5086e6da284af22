import { WidgetModel } from '@jupyter-widgets/base';

import { MODULE_NAME, PROTOCOL } from '../tokens';
import packageJson from '../../package.json';

/** Tells the kernel that this extension is here, and which version. */
export class TerrascopeHelloModel extends WidgetModel {
  initialize(attributes: any, options: any): void {
    super.initialize(attributes, options);
    this.on('msg:custom', (content: { msg: string }) => {
      if (content.msg === 'who') {
        this.sayHello();
      }
    });
    this.sayHello();
  }

  defaults(): any {
    return { ...super.defaults(), _model_module: MODULE_NAME, _model_name: 'TerrascopeHelloModel', version: '' };
  }

  sayHello(): void {
    if (this.comm_live) {
      this.send({ msg: 'hello', version: packageJson.version, protocol: PROTOCOL }, {});
    }
  }
}
