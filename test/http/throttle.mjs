// Guessing passwords is slowed down; last of all, because it may also count what the other tests did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gateway, assertProblem } from './lib.mjs';

test('too many wrong passwords for one address end in 429 with Retry-After', async () => {
  const gateway = await Gateway.start();
  const attempt = () => gateway.request('POST', '/api/v1/admin/session', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'throttled@example.com', password: 'wrong' }),
  });
  let answer = await attempt();
  for (let i = 0; i < 50 && answer.status === 401; ++i) {
    assertProblem(answer, 'OA011');
    answer = await attempt();
  }
  assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
  assertProblem(answer, 'OA012', { headers: { 'retry-after': answer.headers['retry-after'] } });
  await gateway.stop();
});
