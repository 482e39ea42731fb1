// Requests that no browser sends: each gets a clean answer, at once, and the gateway goes on.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { Gateway, assertProblem } from './lib.mjs';

describe('malformed requests', () => {
  let gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway.stop());
  afterEach(async () => {
    assert.equal((await gateway.request('GET', '/healthz')).status, 200);
  });

  const head = (...lines) => [...lines, '', ''].join('\r\n');
  const get = (...headers) => head('GET /healthz HTTP/1.1', 'Host: localhost', ...headers);
  const post = (body, ...headers) =>
    head('POST /api/v1/admin/session HTTP/1.1', 'Host: localhost', 'Content-Type: application/json', ...headers) + body;
  const sized = (body) => post(body, `Content-Length: ${Buffer.byteLength(body)}`);
  const chunked = (body) => post(body, 'Transfer-Encoding: chunked');

  async function refused(bytes, detail, code = 'OA108', more = {}) {
    assertProblem(await gateway.raw(bytes), code, { detail, ...more });
  }

  test('a good request passes through the same helper', async () => {
    assert.equal((await gateway.raw(get())).status, 200);
    assertProblem(await gateway.raw(sized('{"email":"a","password":"b"}')), 'OA011');
    assertProblem(await gateway.raw(chunked('4\r\n{"em\r\n18\r\nail":"a","password":"b"}\r\n0\r\n\r\n')), 'OA011');
  });

  test('request lines', async () => {
    for (const line of ['GET', 'GET /healthz', 'GET  /healthz HTTP/1.1', ' GET /healthz HTTP/1.1', 'G@T /healthz HTTP/1.1', 'GET /healthz HTTP/1.1 x'])
      await refused(head(line, 'Host: x'), 'the request line is malformed');
    for (const version of ['HTTP/2.0', 'HTTP/0.9', 'http/1.1', 'HTTP/1.10'])
      await refused(head(`GET /healthz ${version}`, 'Host: x'), 'only HTTP/1.1 and HTTP/1.0 are spoken here');
    for (const target of ['*', 'http://localhost/healthz', 'healthz', '/health\xffz', '/healthz#x'])
      await refused(Buffer.from(head(`GET ${target} HTTP/1.1`, 'Host: x'), 'latin1'), 'the address is malformed');
    await refused(head(`GET /${'x'.repeat(9000)} HTTP/1.1`, 'Host: x'), 'the address is too long');
    for (const method of ['BREW', 'TRACE', 'CONNECT', 'get'])
      await refused(head(`${method} /healthz HTTP/1.1`, 'Host: x'), undefined, 'OA103', { headers: { allow: 'GET, HEAD, POST, PUT, DELETE' } });
  });

  test('line ends and control characters', async () => {
    await refused('GET /healthz HTTP/1.1\nHost: x\n\n', 'the head is malformed');
    await refused('GET /healthz HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n', 'the head holds a control character');
    await refused('\r\n\r\n', 'the request line is malformed');
    await refused(get('X-A: a\rb'), 'the head holds a control character');
    await refused(get('X-A: a\0b'), 'the head holds a control character');
    await refused(get('X-A: a\x7fb'), 'the head holds a control character');
  });

  test('header lines', async () => {
    for (const line of ['no colon', ': no name', 'X-A : b', ' folded: x', 'X A: b', '\tx'])
      await refused(get(line), 'a header line is malformed');
    await refused(get(`X-A: ${'x'.repeat(17_000)}`), 'the head is too large');
    await refused(get(...Array.from({ length: 120 }, (_, i) => `X-${i}: x`)), 'there are too many headers');
  });

  test('the host is named exactly once', async () => {
    await refused(head('GET /healthz HTTP/1.1'), 'exactly one host is needed');
    await refused(get('Host: other'), 'exactly one host is needed');
    await refused(head('GET /healthz HTTP/1.1', 'Host: a, b'), 'the host is malformed');
  });

  test('a client cannot pose as another address', async () => {
    for (const name of ['REMOTE_ADDR', 'Remote_Addr', 'REMOTE_PORT', 'LOCAL_ADDR', 'LOCAL_PORT'])
      await refused(get(`${name}: 6.6.6.6`), 'a client cannot state addresses');
  });

  test('an encoded line break in a header is refused', async () => {
    for (const code of ['%0d%0a', '%0D%0A', '%0a', '%00'])
      await refused(get(`X-A: a${code}Set-Cookie: b=c`), 'a header holds an encoded line break');
    assert.equal((await gateway.raw(get('Referer: http://localhost/admin/?search=a%0Ab'))).status, 200);
  });

  test('lengths that are malformed, repeated or contradict each other', async () => {
    for (const value of ['5x', '-1', '+5', '0x5', '', '5, 5', '99999999999999999999'])
      await refused(post('{}', `Content-Length: ${value}`), 'the length is malformed');
    const twice = 'the length is stated more than once';
    await refused(post('{}', 'Content-Length: 2', 'Content-Length: 5'), twice);
    await refused(post('{}', 'Content-Length: 2', 'Content-Length: 2'), twice);
    await refused(post('{}', 'Content-Length: 2', 'Transfer-Encoding: chunked'), twice);
    await refused(post('{}', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), twice);
    for (const value of ['xchunked', 'gzip, chunked', 'identity', '']) await refused(post('{}', `Transfer-Encoding: ${value}`), 'the transfer encoding is unknown');
    await refused(get('Content-Length: 5') + 'hello', 'this method has no body');
  });

  test('bodies that are too large are refused, announced or not', async () => {
    await refused(post('', 'Content-Length: 1048577'), undefined, 'OA101');
    const large = 'x'.repeat(65_536);
    await refused(chunked(`10000\r\n${large}\r\n`.repeat(17)), undefined, 'OA101');
    await refused(chunked(`7fffffff\r\n${large.repeat(17)}`), undefined, 'OA101');
    // Just below the limit it is read, and only then found to be no JSON.
    await refused(sized('x'.repeat(1_048_576)), undefined, 'OA100');
  });

  test('a compressed body is not unpacked', async () => {
    await refused(post('xx', 'Content-Length: 2', 'Content-Encoding: gzip'), 'an encoded body is not accepted', 'OA107');
  });

  test('what the library skips between chunks has a bound', async () => {
    const much = 'x'.repeat(3 << 20);
    for (const body of [`2;${much}\r\n{}\r\n0\r\n\r\n`, `2\r\n{}\r\n0\r\nX-A: ${much}\r\n\r\n`])
      await refused(chunked(body), 'the body is malformed or did not arrive in time');
  });

  test('malformed chunks are refused, and a connection with chunks ends with them', async () => {
    for (const body of ['zz\r\n{}\r\n0\r\n\r\n', '\r\n', '2\r\n{}\r\nzz\r\n', '5\r\n{}\r\n0\r\n\r\n'])
      await refused(chunked(body), 'the body is malformed or did not arrive in time');
    // Versions of the library differ in which of these they forgive; the object without members is refused then.
    for (const body of ['2\r\n{}xx\r\n0\r\n\r\n', '2\r\n{}\r\n0\r\nx\r\n\r\n']) {
      const answer = await gateway.raw(chunked(body));
      assert.equal(answer.status, 400);
      assert.equal(answer.headers.connection, 'close');
    }
  });

  test('a body is sent only when asked for, if the client waits for that', async () => {
    const body = '{"email":"a","password":"b"}';
    const bytes = post('', `Content-Length: ${body.length}`, 'Expect: 100-continue');
    assertProblem(await gateway.raw(bytes, { then: body }), 'OA011');
  });

  test('JSON that is malformed, too deep or no object', async () => {
    for (const body of ['{', '{"a":1,}', "{'a':1}", '{"a":NaN}', '', '{} {}', '['.repeat(100_000), `{"a":${'['.repeat(40)}${']'.repeat(40)}}`])
      await refused(sized(body), undefined, 'OA100');
    for (const body of ['[]', 'null', '"text"', '5']) await refused(sized(body), 'the body must be an object', 'OA100');
    const latin1 = Buffer.from('{"email":"\xff"}', 'latin1');
    await refused(Buffer.concat([Buffer.from(post('', `Content-Length: ${latin1.length}`)), latin1]), 'the body is not valid UTF-8');
  });

  test('several requests in one packet are answered in order', async () => {
    const socket = net.connect(gateway.port, '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    const end = new Promise((resolve) => socket.on('end', resolve));
    socket.write(get() + head('GET / HTTP/1.1', 'Host: x') + get('Connection: close'));
    await end;
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 302', 'HTTP/1.1 200']);
  });

  test('HTTP/1.0 is answered and the connection closed', async () => {
    const answer = await gateway.raw(head('GET /healthz HTTP/1.0', 'Host: x'));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.connection, 'close');
  });
});
