process.on('exit', (code) => console.log('exit', code));
throw { not: 'an error', list: [1, 2] };
