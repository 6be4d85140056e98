const path = require("node:path");
const answer = [6, 7].reduce((a, b) => a * b);
console.log(path.extname(__filename) === ".js" ? "javascript" : "?", answer);
