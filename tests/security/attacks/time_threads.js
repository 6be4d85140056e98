// Burns in the main thread and in workers, in regular expressions that never end.
// Expected containment: stopped by a time limit.
// attack: {"stopped_by": ["cpu_time", "wall_time"], "limits": {"cpu_time_ms": 1500, "wall_time_ms": 5000}}
const { Worker } = require('worker_threads');

for (let i = 0; i < 2; i++) new Worker('/(a+)+$/.test("a".repeat(40) + "b")', { eval: true });
/(a+)+$/.test('a'.repeat(40) + 'b');
