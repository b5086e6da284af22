import { mapPlugin } from './plugins/map';
import { savedPlugin } from './plugins/saved';

export default [mapPlugin, savedPlugin];
