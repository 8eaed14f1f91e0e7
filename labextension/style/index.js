import './base.css';
import './list.css';
import './page.css';
import './compare.css';
import './machine.css';
