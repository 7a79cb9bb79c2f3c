// Says hello: with the greeting of its config, from the release and process that it is.
const fs = require("node:fs");
const http = require("node:http");
const ms = require("ms");

const env = process.env;
const page = fs
  .readFileSync(`${__dirname}/dist/page.txt`, "utf8")
  .replace("GREETING", () => env.GREETING ?? "Hello")
  .replace("RELEASE", () => env.NOON_RELEASE_VERSION ?? "no release")
  .replace("PROCESS", () => env.DYNO ?? "no process");

const server = http.createServer((request, response) => {
  const uptime = ms(Math.round(process.uptime() * 1000));
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(page.replace("UPTIME", uptime));
  console.log(`method=${request.method} path=${request.url}`);
});

server.listen(Number(env.PORT ?? 5000), "0.0.0.0", () => console.log("web started"));

// Requests that have begun are answered; new ones go to another process.
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.close(() => console.log("web stopped"));
    server.closeIdleConnections();
  });
}
