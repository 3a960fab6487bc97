import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { hostIdentity, type IdentityProbe } from '#core/host/identity.ts';

const ANSWERS: IdentityProbe = {
  osInfo: async () => ({ distro: 'Debian GNU/Linux', release: '12' }),
  cpu: async () => ({ manufacturer: 'Intel', brand: 'Xeon', physicalCores: 12 }),
  system: async () => ({ manufacturer: '', model: '-', virtual: true, virtualHost: 'KVM' }),
};

test('this host says what it is, and nothing that identifies a device or a person', async () => {
  const identity = await hostIdentity(20_000);
  assert.equal(identity.name, hostname());
  assert.ok(identity.cpus > 0 && identity.memoryBytes > 1e8);
  assert.equal(identity.platform, process.platform);
  assert.deepEqual(
    Object.keys(identity).filter((key) => /serial|uuid|macs?$|address/i.test(key)),
    [],
  );
});

test('answers become plain words', async () => {
  const identity = await hostIdentity(1000, async () => ANSWERS);
  assert.equal(identity.distribution, 'Debian GNU/Linux 12');
  assert.equal(identity.cpuModel, 'Intel Xeon');
  assert.equal(identity.physicalCpus, 12);
  assert.equal(identity.machine, 'KVM');
  assert.equal(identity.isVirtual, true);
});

test('a question that never comes back costs no more than its time, and only its own answer', async () => {
  const clock = new VirtualClock();
  const never: IdentityProbe = { ...ANSWERS, cpu: () => new Promise(() => {}) };
  const asked = hostIdentity(1000, async () => never, clock);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(1000);
  const identity = await asked;
  assert.equal(identity.physicalCpus, null);
  assert.equal(identity.machine, 'KVM');
});

test('a question that fails, or a package that is missing, is null and no error', async () => {
  const broken: IdentityProbe = {
    ...ANSWERS,
    system: async () => {
      throw new Error('no shell');
    },
  };
  assert.equal((await hostIdentity(1000, async () => broken)).isVirtual, null);
  const missing = await hostIdentity(1000, async () => {
    throw new Error('not installed');
  });
  assert.equal(missing.distribution, null);
  assert.equal(missing.name, hostname());
});
