// A plug-in that throws every other time, and in between sets what it may not.
let calls = 0;
export const plugin = {
  id: 'wrong',
  metrics: [
    { name: 'good', kind: 'counter', unit: '{call}', help: 'calls' },
    { name: 'bad', kind: 'gauge', unit: '1', help: 'never right' },
  ],
  sample(values) {
    calls++;
    if (calls === 2) throw new Error('the queue is\ngone');
    values.set('good', BigInt(2 ** 60) + BigInt(calls));
    values.set('bad', Number.NaN);
    values.set('bad', '5');
    values.set('bad', undefined);
    values.set('nothing\nvalue good 5', 1);
  },
};
