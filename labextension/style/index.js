import './map.css';
import './saved.css';
