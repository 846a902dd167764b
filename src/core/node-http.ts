/**
 * What we use of Node's `node:http`. An import statement would evaluate every export of that module, and those that
 * belong to browsers (WebSocket and its events) load a second HTTP client: 16 MB in each process and a tenth of a second.
 */
const http = process.getBuiltinModule('node:http');

export const { Agent, createServer, request, STATUS_CODES } = http;
