// peer.js serve BITS TAKEOVER: an echo server of the package "ws"; prints its port.
// peer.js talk BITS TAKEOVER PORT: a client of it that sends messages to an echo server and compares the answers.
const WebSocket = require('ws');
const crypto = require('crypto');
const [mode, bits, takeover, port] = process.argv.slice(2);
const perMessageDeflate = {
  threshold: 0,
  serverMaxWindowBits: Number(bits),
  clientMaxWindowBits: Number(bits),
  serverNoContextTakeover: takeover === 'no',
  clientNoContextTakeover: takeover === 'no',
};
if (mode === 'serve') {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, perMessageDeflate });
  server.on('listening', () => console.log(server.address().port));
  server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
} else {
  const messages = [0, 1, 10, 200, 3000, 70000].flatMap((n) => ['window äußerst '.repeat(n / 10), crypto.randomBytes(n)]);
  messages.push(...messages);
  let at = 0;
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate });
  socket.on('open', () => socket.send(messages[0]));
  socket.on('message', (data, binary) => {
    const same = binary ? data.equals(messages[at]) : data.toString() === messages[at];
    if (!same || !socket.extensions.includes('permessage-deflate')) process.exit(1);
    at += 1;
    if (at < messages.length) socket.send(messages[at]);
    else socket.close(1000);
  });
  socket.on('close', (code) => process.exit(at === messages.length && code === 1000 ? 0 : 1));
  socket.on('error', () => process.exit(1));
}
