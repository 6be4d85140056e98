console.log('main runs first');
try {
  require('./wrong');
} catch (error) {
  console.log(error.name, error.message);
}
require('./wrong.json');
