// Published records of connections on one server, for a table beside ours. Figures are those of the sources; what a
// source does not say is null, and what is per core or per GiB is computed from its figures.

export interface PublishedRecord {
  who: string;
  year: number;
  /** As the source describes it. */
  stack: string;
  connections: number;
  /** Of the server; logical ones where the source says so. */
  cores: number | null;
  memoryGib: number | null;
  /** Messages a second while so many were connected, in words of the source where it is no plain number. */
  messages: string;
  /** What the clients ran on. */
  clients: string;
  source: string;
}

export const PUBLISHED_RECORDS: readonly PublishedRecord[] = [
  {
    who: 'WhatsApp',
    year: 2012,
    stack: 'Erlang R14B03, FreeBSD 8.2, own protocol',
    connections: 2_277_845,
    cores: 24,
    memoryGib: 96,
    messages: 'production',
    clients: 'real users',
    source: "blog, '1 million is so 2011'",
  },
  {
    who: 'WhatsApp, peak',
    year: 2012,
    stack: 'the same; 3 million failed',
    connections: 2_800_000,
    cores: 24,
    memoryGib: 96,
    messages: '571,000 packets/s, over 200,000 distributed messages/s',
    clients: 'real users',
    source: 'R. Reed, Erlang Factory SF 2012',
  },
  {
    who: 'MigratoryData',
    year: 2013,
    stack: 'Java, WebSocket',
    connections: 12_000_000,
    cores: 12,
    memoryGib: 96,
    messages: '200,000/s of 512 B',
    clients: 'several hosts',
    source: 'migratorydata.com',
  },
  {
    who: 'Phoenix',
    year: 2015,
    stack: 'Elixir, WebSocket',
    connections: 2_000_000,
    cores: 40,
    memoryGib: 128,
    messages: 'one broadcast',
    clients: '45 hosts',
    source: 'phoenixframework.org, blog',
  },
  {
    who: 'oatpp',
    year: 2019,
    stack: 'C++, WebSocket, 500 ports',
    connections: 5_000_000,
    cores: 16,
    memoryGib: 104,
    messages: '300,000/s echoed',
    clients: '1 host, 24 GB for it',
    source: 'oatpp.io, benchmark',
  },
  {
    who: 'EMQX 5.0, one node of 20',
    year: 2022,
    stack: 'Erlang, MQTT',
    connections: 5_000_000,
    cores: 64,
    memoryGib: 128,
    messages: '1.1 million/s in bursts, all nodes',
    clients: '17 hosts, all nodes',
    source: 'emqx.com, blog',
  },
  {
    who: 'Project Loom C5M',
    year: 2022,
    stack: 'Java 19, TCP echo, 100 ports',
    connections: 5_000_000,
    cores: 40,
    memoryGib: 128,
    messages: '83,000/s echoed',
    clients: '1 host, 26 GB for it',
    source: 'github.com/ebarlas/project-loom-c5m',
  },
  {
    who: 'uWebSockets',
    year: 2019,
    stack: 'C++, WebSocket, a laptop',
    connections: 1_000_000,
    cores: null,
    memoryGib: 8,
    messages: 'active',
    clients: '1 host, 50 addresses',
    source: 'uNetworking, blog',
  },
  {
    who: 'smallnest',
    year: 2019,
    stack: 'Go, TCP',
    connections: 1_000_000,
    cores: 40,
    memoryGib: 32,
    messages: '42,000 to 444,000 requests/s',
    clients: 'the same laboratory',
    source: 'github.com/smallnest/1m-go-tcp-server',
  },
];
