// The browser's end of the tile conversation; run by tests/test_build.py with node's own test runner.
import assert from 'node:assert/strict';
import { mock, test, beforeEach, afterEach } from 'node:test';

import { TileClient } from './tiles.mjs';

globalThis.window = globalThis;

class Model {
  comm_live = true;
  sent = [];
  handlers = {};
  words = { timeout: 'no answer within {seconds} s' };
  on(name, handler) {
    (this.handlers[name] ??= []).push(handler);
  }
  get(name) {
    return { timeout: 60 }[name];
  }
  send(content) {
    this.sent.push(content);
  }
  hear(content, buffers = []) {
    this.handlers['msg:custom'].forEach(handler => handler(content, buffers));
  }
  live(value) {
    this.comm_live = value;
    this.handlers['comm_live_update'].forEach(handler => handler());
  }
}

let model, client, results;
const tile = { z: 5, x: 16, y: 10 };
const ask = () => client.request(tile, result => results.push(result));

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  model = new Model();
  client = new TileClient(model);
  results = [];
});
afterEach(() => mock.timers.reset());

test('a tile is asked for by its address and given to who asked', async () => {
  const id = ask();
  await Promise.resolve();
  assert.deepEqual(model.sent, [{ msg: 'tiles', tiles: [{ id, ...tile }] }]);
  assert.equal(client.state.pending, 1);
  model.hear({ msg: 'tile', id, state: 'picture' }, [new DataView(new ArrayBuffer(4))]);
  assert.equal(results[0].picture.size, 4);
  assert.equal(results[0].picture.type, 'image/png');
  assert.equal(client.state.pending, 0);
});

test('the tiles of a view are asked for in one message, and not those that left it at once', async () => {
  const ids = [ask(), ask(), ask()];
  client.cancel(ids[1]);
  await Promise.resolve();
  assert.deepEqual(model.sent[0], { msg: 'tiles', tiles: [{ id: ids[0], ...tile }, { id: ids[2], ...tile }] });
  ask();
  await Promise.resolve();
  assert.equal(model.sent.at(-1).tiles.length, 1);
});

test('an answer to somebody else, or a second one, changes nothing', () => {
  const id = ask();
  model.hear({ msg: 'tile', id: 'another-tab-1', state: 'empty' });
  model.hear({ msg: 'tile', id, state: 'empty' });
  model.hear({ msg: 'tile', id, state: 'error', reason: 'late' });
  assert.deepEqual(results, [{ state: 'empty' }]);
});

test('two clients never use the same id', () => {
  const other = new TileClient(model);
  assert.notEqual(ask(), other.request(tile, () => undefined));
});

test('tiles that left the view are cancelled in one message and never heard of again', async () => {
  const ids = [ask(), ask(), ask()];
  client.cancel(ids[0]);
  client.cancel(ids[2]);
  await Promise.resolve();
  assert.deepEqual(model.sent.at(-1), { msg: 'cancel', ids: [ids[0], ids[2]] });
  model.hear({ msg: 'tile', id: ids[0], state: 'empty' });
  assert.deepEqual(results, []);
  assert.equal(client.state.pending, 1);
});

test('a tile that does not come is an error with words, and the kernel is asked whether it lives', async () => {
  const id = ask();
  await Promise.resolve();
  mock.timers.tick(60_000);
  assert.deepEqual(results, [{ state: 'error', reason: 'no answer within 60 s' }]);
  assert.deepEqual(model.sent.slice(1), [{ msg: 'cancel', ids: [id] }, { msg: 'ping' }]);
});

test('a kernel that was busy makes timed-out tiles be asked again; a lively one does not', () => {
  let revived = 0;
  client.subscribe(() => undefined, () => (revived += 1));
  ask();
  mock.timers.tick(60_000);
  mock.timers.tick(100);
  model.hear({ msg: 'pong' });
  assert.equal(revived, 0);
  ask();
  mock.timers.tick(60_000);
  mock.timers.tick(30_000);
  model.hear({ msg: 'pong' });
  assert.equal(revived, 1);
});

test('a silent kernel is called busy, and no longer once it speaks', () => {
  const id = ask();
  mock.timers.tick(4_000);
  assert.equal(client.state.busy, true);
  model.hear({ msg: 'tile', id, state: 'empty' });
  assert.equal(client.state.busy, false);
});

test('when the kernel goes, no tile is waited for', () => {
  ask();
  ask();
  model.live(false);
  assert.equal(client.state.pending, 0);
  assert.deepEqual(results, [{ state: 'cancelled' }, { state: 'cancelled' }]);
  mock.timers.tick(120_000);
  assert.equal(results.length, 2);
});
