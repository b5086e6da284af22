export { TerrascopeHelloModel } from '../models/hello';
export { TerrascopeTilesModel } from '../models/layer';
export { TerrascopeOnlineModel, TerrascopeOnlineView } from './online';
export { TerrascopeTilesView } from './tiles';
