// A link before the device on which packets wait that are nothing to anybody.

import type { PacketLink } from '#core/socket/stack/packet-link.ts';

const PACKET_BYTES = 20;

export class Flood {
  waiting = 0;
  taken = 0;

  tap(device: PacketLink): PacketLink {
    return {
      out: device.out,
      received: device.received,
      send: (length) => device.send(length),
      receive: () => {
        if (this.waiting === 0) return device.receive();
        this.waiting--;
        this.taken++;
        device.received.fill(0, 0, PACKET_BYTES);
        return PACKET_BYTES;
      },
      advance: (nowUs) => device.advance(nowUs),
      waitUs: (nowUs) => device.waitUs(nowUs),
      reaches: (address) => device.reaches(address),
      close: () => device.close(),
    };
  }
}
