// A plug-in that keeps memory without end, and prints.
const kept = [];
export const plugin = {
  metrics: [{ name: 'kept', kind: 'gauge', unit: '{list}', help: 'lists that are kept' }],
  sample(values) {
    process.stdout.write('this belongs nowhere\n');
    for (let i = 0; i < 20; i++) kept.push(new Array(1 << 20).fill(i));
    values.set('kept', kept.length);
  },
};
