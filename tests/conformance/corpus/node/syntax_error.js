console.log('never');
const x = (1, 2;
