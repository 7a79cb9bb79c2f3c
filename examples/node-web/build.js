// Makes dist/page.txt out of page.txt: the build step, which runs once for each push.
const fs = require("node:fs");

const page = fs.readFileSync("page.txt", "utf8").trim();
fs.mkdirSync("dist", { recursive: true });
fs.writeFileSync("dist/page.txt", `${page}\n`);
console.log("Wrote dist/page.txt");
