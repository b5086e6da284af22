export { TerrascopeHelloModel } from '../models/hello';
export { TerrascopeTilesModel } from '../models/layer';
export { TerrascopeSwipeModel } from '../models/swipe';
export { TerrascopeOnlineModel, TerrascopeOnlineView } from './online';
export { TerrascopeSwipeView } from './swipe';
export { TerrascopeTilesView } from './tiles';
