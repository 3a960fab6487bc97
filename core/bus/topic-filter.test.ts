import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileFilter } from '#core/bus/topic-filter.ts';

// The examples of MQTT 3.1.1, section 4.7.
const CASES: [filter: string, topic: string, matches: boolean][] = [
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['sport/#', 'sport', true],
  ['#', 'a/b/c', true],
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+', '/finance', false],
  ['#', '$SYS/x', false],
  ['+/monitor/Clients', '$SYS/monitor/Clients', false],
  ['$SYS/#', '$SYS/x', true],
  ['a/b', 'a/b', true],
  ['a/b', 'a/b/c', false],
  ['a/b/c', 'a/b', false],
  ['wsar/+/+/+/row', 'wsar/lab/host/server/row', true],
  ['wsar/+/+/+/row', 'wsar/lab/host/server/event', false],
];

test('filters match as the standard says', () => {
  for (const [filter, topic, matches] of CASES) {
    assert.equal(compileFilter(filter)(topic), matches, `${filter} on ${topic}`);
  }
});
