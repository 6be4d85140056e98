const shop = require('./lib/shop');

console.log(shop.name);
shop.open();
