const holder = {};
Error.stackTraceLimit = 50;
Error.captureStackTrace(holder);
console.log(holder.stack);
const frames = [];
Error.prepareStackTrace = (_, sites) => sites.map((s) => [s.getFileName(), s.getFunctionName()]);
frames.push(...new Error().stack);
console.log(frames);
