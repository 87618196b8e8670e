// What every page loads. All pages also work without it, plainer.

import './confirm.js'; // first: what it stops, the others must not see

import './bulk.js';
import './copy.js';
import './counter.js';
import './fields.js';
import './filters.js';
import './goon.js';
import './hints.js';
import './keyboard.js';
import './keys.js';
import './labels.js';
import './large.js';
import './matrix.js';
import './menus.js';
import './palette.js';
import './plan.js';
import './print.js';
import './progress.js';
import './recent.js';
import './refresh.js';
import './side.js';
import './theme.js';
import './toasts.js';
import './training.js';
import './unsaved.js';
