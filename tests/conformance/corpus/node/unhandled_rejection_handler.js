process.on('unhandledRejection', (reason) => console.log('handler saw', reason.message));
process.on('rejectionHandled', () => console.log('handled later'));
const promise = Promise.reject(new Error('late'));
setTimeout(() => promise.catch(() => console.log('caught')), 20);
