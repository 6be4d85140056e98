// case: {"stdin": "línea uno\nline two\n\nlast without newline"}
let text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (piece) => (text += piece));
process.stdin.on('end', () => console.log(JSON.stringify(text)));
