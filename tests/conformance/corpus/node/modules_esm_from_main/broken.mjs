import { nothing } from './part.mjs';
