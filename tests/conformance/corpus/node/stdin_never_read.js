// case: {"stdin_repeat": ["never read\n", 20000]}
console.log('does not look at its input');
