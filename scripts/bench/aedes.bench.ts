// The aedes side of bench:server: the broker as its package comes, on a port of 127.0.0.1 of its own choice,
// which its first line says. Ends with its stdin.

import { createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';

const broker = await Aedes.createBroker();
const sockets = new Set<Socket>();
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  broker.handle(socket);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`port ${(server.address() as { port: number }).port}\n`);
});
process.stdin
  .on('end', () => {
    server.close();
    broker.close();
    for (const socket of sockets) socket.destroy();
  })
  .resume();
