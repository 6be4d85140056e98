exports.charge = (item) => item.price.toFixed(2);
