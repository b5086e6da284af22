import { mapPlugin } from './plugins/map';

export default [mapPlugin];
