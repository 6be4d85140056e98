// Floods from a child whose output is the program's own, then waits for ever.
// Expected containment: stopped at the output limit.
// attack: {"stopped_by": ["output"]}
const { spawn } = require('child_process');

spawn('yes', { stdio: 'inherit', detached: true }).unref();
setInterval(() => {}, 1000);
