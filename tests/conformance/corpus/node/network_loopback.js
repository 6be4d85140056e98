const http = require('http');

const server = http.createServer((request, response) => response.end(`you asked for ${request.url}`));
server.listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port, path: '/x', host: '127.0.0.1' }, (response) => {
    response.on('data', (data) => console.log(response.statusCode, String(data)));
    response.on('end', () => server.close(() => console.log('server closed')));
  });
});
