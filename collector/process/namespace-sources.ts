// The sources that look at another network namespace.

import { NetworkNamespaceSource } from '#collector/process/network-namespace.ts';
import { NetworkDeviceSource } from '#collector/source/network-device.ts';
import { SocketsSource } from '#collector/source/sockets.ts';
import type { Source } from '#collector/source/source.ts';
import { TcpSource } from '#collector/source/tcp.ts';

export function namespaceSources(root: string, pid: number, pageBytes: number): Source[] {
  const inner = `${root}/${pid}`;
  return [
    new TcpSource(inner),
    new SocketsSource(inner, pageBytes),
    new NetworkDeviceSource(inner),
  ].map((source) => new NetworkNamespaceSource(root, pid, source));
}
