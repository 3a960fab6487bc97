// A plug-in whose sample never returns and gives nobody else a turn.
export const plugin = {
  metrics: [{ name: 'a', kind: 'gauge', unit: '1', help: 'never set' }],
  sample() {
    for (;;);
  },
};
