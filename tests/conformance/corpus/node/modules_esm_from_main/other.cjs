exports.value = __filename;
