import './map.css';
import './saved.css';
import './swipe.css';
